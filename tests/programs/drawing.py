"""The strategy `programs`: how Hypothesis draws programs from the tables."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from programs import table_images, table_networks, table_views
from programs.building import Builder, Refused
from programs.program import Program
from programs.table import TABLE

PARTS = (table_views, table_images, table_networks)  # they fill the table
LONGEST = 12  # operations, besides those that keep numbers small or away from a kink
NOT_DRAWN = {
    "astype": "changes the dtype, which a program keeps",
    "to": "changes the device, which a program keeps",
}


@st.composite
def programs(
    draw: Callable, names: list[str], longest: int = LONGEST, begun: Callable[[], None] = lambda: None
) -> Program:
    """A program of up to `longest` of the named operations; `begun` is called when its drawing begins."""
    begun()
    make = Builder(draw)
    try:
        for _ in range(draw(st.integers(1, longest))):
            name = draw(st.sampled_from(names))
            arguments, options = TABLE[name].draw(make)
            make.add(name, *arguments, **options)
    except Refused:  # comes again when the program is run
        pass
    return make.program()

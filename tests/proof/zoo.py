"""The zoo: mistakes that small frameworks made, and which check catches which."""

from __future__ import annotations

import argparse
import sys
import time

from proof.section import Section, conclude
from tinygrad_edu.gradcheck.zoo import BEYOND, ZOO
from tinygrad_edu.gradcheck.zoo.matrix import LEGEND, failures_of, markdown, rows, summary


def prove() -> Section:
    table = list(rows(ZOO))
    beyond = [f"- **{m.name}.** {m.story} *{m.remedy}*" for m in BEYOND]
    details = "\n".join(
        ["```", *LEGEND, "```", "", markdown(table), "", "What no check at one point can see:", "", *beyond]
    )
    return Section("zoo", "Wrong backwards are caught", summary(table), failures_of(table), details=details)


def main() -> None:
    argparse.ArgumentParser(prog="python -m proof.zoo", description=__doc__).parse_args()
    start = time.perf_counter()
    section = prove()
    sys.exit(conclude(section, time.perf_counter() - start))


if __name__ == "__main__":
    main()

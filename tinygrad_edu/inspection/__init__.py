"""Looking inside a network, and watching a backward pass.

- `summary`: the layers, what shapes flow through, how many numbers they learn.
- `explain`: what one backward pass did, as a table with a diagnosis; or why one gradient is what it is.
- `player`: the same as a page to step through, forward and backward, in a browser.
- `trace`: the same as data, a record for every step.
- `watch`: lets all of these know source lines and modules of a loss that is computed inside.
- `detect_anomaly`: the first NaN or infinity raises.
"""

from tinygrad_edu.inspection.anomaly import AnomalyError, detect_anomaly
from tinygrad_edu.inspection.arrays import Grid, Seen
from tinygrad_edu.inspection.explain import Explanation, explain
from tinygrad_edu.inspection.player import page_of, player
from tinygrad_edu.inspection.records import Input, Leaf, Step, Trace
from tinygrad_edu.inspection.summary import LayerRow, layers_of, stages_of, summary
from tinygrad_edu.inspection.trace import trace
from tinygrad_edu.inspection.watch import watch

# fmt: off
__all__ = [
    "AnomalyError", "Explanation", "Grid", "Input", "LayerRow", "Leaf", "Seen", "Step", "Trace", "detect_anomaly",
    "explain", "layers_of", "player", "stages_of", "summary", "trace", "watch",
]
# fmt: on

Trace._repr_html_ = lambda seen: page_of(seen, "A backward pass", in_frame=True)  # type: ignore[attr-defined]

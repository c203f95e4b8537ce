"""Every figure of the project: arrays in, a figure out, and a picture file where a path is given.

Only this package imports matplotlib, and it never touches pyplot: a figure here is an object that is drawn, saved and
returned, so it needs no display and leaves no global state behind. In a notebook it shows itself.

Every function takes the path first, chooses the format by its ending (`.png`, `.pdf`, `.svg`), makes missing folders,
and returns the figure; None for a path saves nothing. A file appears complete or not at all. What cannot be drawn is
refused: TypeError for what is no array, text or dict where one is expected, ValueError for wrong shapes and values.
`style.py` holds what all figures share.
"""

from tinygrad_edu.plots.architecture import draw_architecture
from tinygrad_edu.plots.curves import train_and_validation, training_curves
from tinygrad_edu.plots.detection import cell_boxes, precision_recall, scene_boxes
from tinygrad_edu.plots.filters import filter_images
from tinygrad_edu.plots.graph import Graph, Node, small_graphs
from tinygrad_edu.plots.images import image_grid, weight_images
from tinygrad_edu.plots.predictions import prediction_rows
from tinygrad_edu.plots.sequences import clipping, gradient_flow, series
from tinygrad_edu.plots.tables import number_tables
from tinygrad_edu.plots.text import attention_maps, filled_blanks, losses_against
from tinygrad_edu.plots.unrolled import unrolled_network

__all__ = [
    "Graph",
    "Node",
    "attention_maps",
    "cell_boxes",
    "clipping",
    "draw_architecture",
    "filled_blanks",
    "filter_images",
    "gradient_flow",
    "image_grid",
    "losses_against",
    "number_tables",
    "precision_recall",
    "prediction_rows",
    "scene_boxes",
    "series",
    "small_graphs",
    "train_and_validation",
    "training_curves",
    "unrolled_network",
    "weight_images",
]

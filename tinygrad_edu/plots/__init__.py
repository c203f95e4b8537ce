"""Every figure of the project: arrays in, a picture file out.

Only this package imports matplotlib, and it never touches pyplot: a figure here is an object that is drawn, saved and
forgotten, so it needs no display and leaves no global state behind.

Every function takes the path first, chooses the format by its ending (`.png`, `.pdf`, `.svg`), makes missing folders,
and returns the path. A file appears complete or not at all. `style.py` holds what all figures share.
"""

from tinygrad_edu.plots.architecture import draw_architecture
from tinygrad_edu.plots.curves import train_and_validation, training_curves
from tinygrad_edu.plots.images import image_grid, weight_images
from tinygrad_edu.plots.predictions import filter_images, prediction_rows

__all__ = [
    "draw_architecture",
    "filter_images",
    "image_grid",
    "prediction_rows",
    "train_and_validation",
    "training_curves",
    "weight_images",
]

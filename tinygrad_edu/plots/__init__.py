"""Every figure of the project: arrays in, a picture file out.

Only this package imports matplotlib, and it never touches pyplot: a figure here is an object that is drawn, saved and
forgotten, so it needs no display and leaves no global state behind.

Every function takes the path first, chooses the format by its ending (`.png`, `.pdf`, `.svg`), makes missing folders,
and returns the path. A file appears complete or not at all. `style.py` holds what all figures share.
"""

from tinygrad_edu.plots.curves import training_curves
from tinygrad_edu.plots.images import image_grid, weight_images

__all__ = ["image_grid", "training_curves", "weight_images"]

"""Image grids, curves, pages and progress bars."""

from ganzoo_core.report.curves import draw_curves, read_metrics
from ganzoo_core.report.image_grid import (
    encode_png,
    make_grid,
    save_image,
    save_png_images,
    to_uint8,
)
from ganzoo_core.report.progress import Progress

__all__ = [
    "Progress",
    "draw_curves",
    "encode_png",
    "make_grid",
    "read_metrics",
    "save_image",
    "save_png_images",
    "to_uint8",
]

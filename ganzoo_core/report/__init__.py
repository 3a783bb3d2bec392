"""Pictures and progress: what people look at."""

from ganzoo_core.report.curves import draw_curves, read_metrics
from ganzoo_core.report.grids import grid, png, save_image, to_uint8
from ganzoo_core.report.progress import Progress

__all__ = ["Progress", "draw_curves", "grid", "png", "read_metrics", "save_image", "to_uint8"]

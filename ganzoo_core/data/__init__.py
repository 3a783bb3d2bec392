"""Images at rest and on their way into a step."""

from ganzoo_core.data.decode import decoded, fit
from ganzoo_core.data.draws import Batches, to_float, to_pixels
from ganzoo_core.data.export import write_jpeg
from ganzoo_core.data.groups import PUBLISHED, AgeGroups, group_names, group_of
from ganzoo_core.data.images import Images, prepare, renamed, require
from ganzoo_core.data.objects import ObjectDataset, wrap
from ganzoo_core.data.store import cache_folder

__all__ = [
    "PUBLISHED",
    "AgeGroups",
    "Batches",
    "Images",
    "ObjectDataset",
    "cache_folder",
    "decoded",
    "fit",
    "group_names",
    "group_of",
    "prepare",
    "renamed",
    "require",
    "to_float",
    "to_pixels",
    "wrap",
    "write_jpeg",
]

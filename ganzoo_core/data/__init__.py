"""Data sets decoded to uint8, and the batches of a training step."""

from ganzoo_core.data.age_bins import (
    PUBLISHED_AGE_BINS,
    AgeBins,
    age_bin_names,
    assign_age_bins,
    parse_age_bins,
)
from ganzoo_core.data.export import write_jpeg
from ganzoo_core.data.packed_images import PackedImages, pack_images, require_fields, with_name
from ganzoo_core.data.parallel_decode import center_crop_resize, iter_decoded
from ganzoo_core.data.samplers import BatchLoader, to_float, to_uint8
from ganzoo_core.data.store import default_cache_dir
from ganzoo_core.data.torch_adapter import TorchDatasetAdapter, as_dataset

__all__ = [
    "PUBLISHED_AGE_BINS",
    "AgeBins",
    "BatchLoader",
    "PackedImages",
    "TorchDatasetAdapter",
    "age_bin_names",
    "as_dataset",
    "assign_age_bins",
    "center_crop_resize",
    "default_cache_dir",
    "iter_decoded",
    "pack_images",
    "parse_age_bins",
    "require_fields",
    "to_float",
    "to_uint8",
    "with_name",
    "write_jpeg",
]

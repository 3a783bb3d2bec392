"""Inception V3 from a weights file: that of pytorch-fid and torch-fidelity (the FID standard), or
torchvision's.

The FID network is the TensorFlow graph of 2015: 1,008 logits, average pools that exclude padding,
a max pool in its last block. torchvision's has 1,000 logits and average pools that include
padding. The number of logits in a file tells the two apart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganzoo_core.data import default_cache_dir
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import copy_state_dict, file_sha256, load_tensors
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.weights.download import download

IMAGE_SIZE, FEATURE_DIM = 299, 2048
FID_NUM_CLASSES, NUM_CLASSES = 1008, 1000
STANDARD_FILES = (
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
)
"""The names of the standard weights in pytorch-fid and in torch-fidelity: the same bytes."""
STANDARD_URL = (
    f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{STANDARD_FILES[0]}"
)
STANDARD_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
STANDARD_SIZE = 95_628_359


class Inception(nn.Module):
    """[N, 3, 299, 299] in [-1, 1] -> features [N, 2048] and logits [N, K]."""

    def __init__(self, is_fid: bool) -> None:
        super().__init__()
        from torchvision.models import Inception3

        num_classes = FID_NUM_CLASSES if is_fid else NUM_CLASSES
        self.net = Inception3(num_classes=num_classes, aux_logits=False, init_weights=False)
        self.is_fid = is_fid

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return pooled features and logits; the FID graph's logits have no bias."""
        net = self.net
        x = (images * 127.5 - 0.5) / 128 if self.is_fid else images  # (uint8 - 128) / 128
        x = net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x)))
        x = net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(net.maxpool1(x)))
        x = net.maxpool2(x)  # [N, 192, 35, 35]
        for name, block in net.named_children():
            if name.startswith("Mixed_"):
                x = _forward_fid_block(block, x, name) if self.is_fid else block(x)
        x = x.mean((2, 3))  # [N, 2048]
        return x, x @ net.fc.weight.T if self.is_fid else net.fc(x)


def _forward_fid_block(block: Any, x: Tensor, name: str) -> Tensor:
    """Run one Mixed block with the pooling of the FID graph."""
    if name in {"Mixed_6a", "Mixed_7a"}:
        return block(x)  # type: ignore[no-any-return]
    if name == "Mixed_7c":
        pool = functional.max_pool2d(x, 3, 1, 1)
    else:
        pool = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    if name.startswith("Mixed_5"):
        wide = [block.branch5x5_2(block.branch5x5_1(x))]
        deep = [block.branch3x3dbl_3(block.branch3x3dbl_2(block.branch3x3dbl_1(x)))]
    elif name.startswith("Mixed_6"):
        wide = [block.branch7x7_3(block.branch7x7_2(block.branch7x7_1(x)))]
        deep = block.branch7x7dbl_2(block.branch7x7dbl_1(x))
        deep = [block.branch7x7dbl_5(block.branch7x7dbl_4(block.branch7x7dbl_3(deep)))]
    else:
        stem = block.branch3x3_1(x)
        wide = [block.branch3x3_2a(stem), block.branch3x3_2b(stem)]
        stem = block.branch3x3dbl_2(block.branch3x3dbl_1(x))
        deep = [block.branch3x3dbl_3a(stem), block.branch3x3dbl_3b(stem)]
    return torch.cat([block.branch1x1(x), *wide, *deep, block.branch_pool(pool)], 1)


def find_standard_inception(progress: Callable[[int, int], None] | None = None) -> Path:
    """Return the file of the standard Inception weights: from the cache of ganzoo or of torch.hub,
    where pytorch-fid and torch-fidelity store it, or else downloaded and checked.

    Args:
        progress: called with (bytes, total) of the download.

    Raises:
        WeightsError: it is not there and cannot be downloaded; the message says where to get it.
    """
    folder = default_cache_dir().parent / "inception"
    for place in (folder, Path(torch.hub.get_dir()) / "checkpoints"):
        for name in STANDARD_FILES:
            if (place / name).is_file() and file_sha256(place / name) == STANDARD_SHA256:
                return place / name
    path = folder / STANDARD_FILES[0]
    try:
        download(
            STANDARD_URL,
            path,
            sha256=STANDARD_SHA256,
            size=STANDARD_SIZE,
            progress=progress,
        )
    except WeightsError as error:
        raise WeightsError(
            f"--feature-extractor inception: {error}; get {STANDARD_FILES[0]} (sha256 "
            f"{STANDARD_SHA256}) from {STANDARD_URL} and put it into {folder}, or give "
            "--feature-extractor FILE"
        ) from None
    return path


def load_inception(path: Path, device: torch.device) -> FeatureExtractor:
    """Load Inception weights: a .pth of pytorch-fid, torch-fidelity or torchvision, or safetensors
    of either. Only the file with the sha256 of the standard gives values named `fid`.

    Raises:
        WeightsError: the file is missing, damaged, or holds another network.
    """
    tensors = _load_tensor_file(path)
    fc_weight = tensors.get("fc.weight")
    if fc_weight is None or tuple(fc_weight.shape) not in {
        (FID_NUM_CLASSES, FEATURE_DIM),
        (NUM_CLASSES, FEATURE_DIM),
    }:
        raise WeightsError(
            f"{path} is not an Inception V3: fc.weight is not {FID_NUM_CLASSES} x {FEATURE_DIM} "
            f"(torch-fidelity) or {NUM_CLASSES} x {FEATURE_DIM} (torchvision)"
        )
    is_fid = len(fc_weight) == FID_NUM_CLASSES
    net = Inception(is_fid)
    expected = {k: v for k, v in net.net.state_dict().items() if _is_inference_key(k)}
    copy_state_dict(expected, {k: v for k, v in tensors.items() if _is_inference_key(k)}, path)
    sha256 = file_sha256(path)
    is_standard = sha256 == STANDARD_SHA256
    if is_standard:
        name, short_name = "inception (FID)", "inception"
    elif is_fid:
        name, short_name = "inception (FID layout, other weights)", f"inception-{sha256[:8]}"
    else:
        name, short_name = "inception (torchvision)", f"inception-torchvision-{sha256[:8]}"
    return FeatureExtractor(
        name,
        net.eval().requires_grad_(False).to(device),
        sha256,
        FEATURE_DIM,
        IMAGE_SIZE,
        3,
        preprocessing="(x - 128) / 128" if is_fid else "[-1, 1]",
        short_name=short_name,
        is_standard=is_standard,
    )


def _is_inference_key(key: str) -> bool:
    return not key.startswith("AuxLogits.") and not key.endswith("num_batches_tracked")


def _load_tensor_file(path: Path) -> dict[str, Tensor]:
    """Read a state dict; a pickle that holds anything but tensors is refused."""
    if path.suffix == ".safetensors":
        return load_tensors(path)[0]
    try:
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}") from None
    except Exception:  # a hostile file can make the reader raise anything
        raise WeightsError(f"{path} is not a weights file, or holds more than tensors") from None
    if not isinstance(state_dict, dict) or not all(
        isinstance(v, Tensor) for v in state_dict.values()
    ):
        raise WeightsError(f"{path} holds more than tensors: give a state dict")
    return state_dict

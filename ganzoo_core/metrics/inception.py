"""Inception V3 from a weights file: torch-fidelity's (the FID standard) or torchvision's.

The FID network is the TensorFlow graph of 2015: 1,008 logits, average pools that exclude padding,
a max pool in its last block. torchvision's has 1,000 logits and average pools that include
padding. The number of logits in a file tells the two apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganzoo_core.errors import WeightsError
from ganzoo_core.files import copy_state_dict, file_sha256, load_tensors
from ganzoo_core.metrics.feature_extractor import FeatureExtractor

IMAGE_SIZE, FEATURE_DIM = 299, 2048
FID_NUM_CLASSES, NUM_CLASSES = 1008, 1000


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


def load_inception(path: Path, device: torch.device) -> FeatureExtractor:
    """Load Inception weights: a .pth of torch-fidelity or torchvision, or safetensors of either.

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
    return FeatureExtractor(
        "inception (FID)" if is_fid else "inception (torchvision)",
        net.eval().requires_grad_(False).to(device),
        file_sha256(path),
        FEATURE_DIM,
        IMAGE_SIZE,
        3,
        preprocessing="(x - 128) / 128" if is_fid else "[-1, 1]",
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

"""Inception V3 from a file the user has: torch-fidelity's (the FID standard) or torchvision's.

The FID network is the TensorFlow graph of 2015: 1,008 logits, average pools that leave padding out,
a max pool in its last block. torchvision's has 1,000 logits and pools that count padding. Which
one a file holds is told by its shapes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganzoo_core.errors import WeightsError
from ganzoo_core.files import copy_strictly, load_tensors, sha256
from ganzoo_core.metrics.networks import Network

EDGE, DIM = 299, 2048
FID_CLASSES, CLASSES = 1008, 1000


class Inception(nn.Module):
    """[N, 3, 299, 299] in [-1, 1] -> features [N, 2048] and logits [N, K]."""

    def __init__(self, fid: bool) -> None:
        super().__init__()
        from torchvision.models import Inception3

        classes = FID_CLASSES if fid else CLASSES
        self.net = Inception3(num_classes=classes, aux_logits=False, init_weights=False)
        self.fid = fid

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return pooled features and logits; those of the FID graph are taken without bias."""
        net = self.net
        x = (images * 127.5 - 0.5) / 128 if self.fid else images  # (uint8 - 128) / 128
        x = net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x)))
        x = net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(net.maxpool1(x)))
        x = net.maxpool2(x)  # [N, 192, 35, 35]
        for name, block in net.named_children():
            if name.startswith("Mixed_"):
                x = fid_block(block, x, name) if self.fid else block(x)
        x = x.mean((2, 3))  # [N, 2048]
        return x, x @ net.fc.weight.T if self.fid else net.fc(x)


def fid_block(block: Any, x: Tensor, name: str) -> Tensor:
    """Run one Mixed block as the FID graph has it: the pool beside its convolutions differs."""
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


def inception(path: Path, device: torch.device) -> Network:
    """Read Inception weights: a .pth of torch-fidelity or torchvision, or safetensors of either.

    Raises:
        WeightsError: no such file, or of another network.
    """
    tensors = read(path)
    head = tensors.get("fc.weight")
    if head is None or tuple(head.shape) not in {(FID_CLASSES, DIM), (CLASSES, DIM)}:
        raise WeightsError(
            f"{path} holds no Inception V3: its fc.weight is not {FID_CLASSES} x {DIM} "
            f"(torch-fidelity) or {CLASSES} x {DIM} (torchvision)"
        )
    fid = len(head) == FID_CLASSES
    net = Inception(fid)
    mine = {k: v for k, v in net.net.state_dict().items() if not k.endswith("num_batches_tracked")}
    copy_strictly(mine, {k: v for k, v in tensors.items() if k in mine or needed(k)}, path)
    return Network(
        "inception (FID)" if fid else "inception (torchvision)",
        net.eval().requires_grad_(False).to(device),
        sha256(path),
        DIM,
        EDGE,
        3,
        preprocessing="(x - 128) / 128" if fid else "[-1, 1]",
    )


def needed(key: str) -> bool:
    """Tell whether a key belongs to the network and not to its second head or its counters."""
    return not key.startswith("AuxLogits.") and not key.endswith("num_batches_tracked")


def read(path: Path) -> dict[str, Tensor]:
    """Read a file of tensors; a pickle may hold nothing else."""
    if path.suffix == ".safetensors":
        return load_tensors(path)[0]
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}") from None
    except Exception:  # whatever a hostile file makes its reader raise
        raise WeightsError(f"{path} is no file of weights, or holds more than tensors") from None
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise WeightsError(f"{path} holds more than tensors: give a state dict")
    return found

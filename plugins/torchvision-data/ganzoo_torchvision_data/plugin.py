"""Registers the data sets; cheap to import."""

from __future__ import annotations

from ganzoo_core.zoo import DatasetSpec, hookimpl
from ganzoo_core.zoo.hooks import Registrar

_SPECS = (
    DatasetSpec(
        name="mnist",
        summary="MNIST: 70,000 grayscale handwritten digits, 28x28",
        target="ganzoo_torchvision_data.digits:MNIST",
        config="ganzoo_torchvision_data.config:DownloadableConfig",
        paper="Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 1998, "
        "doi 10.1109/5.726791",
        license="CC-BY-SA-3.0",
        fields=("image", "label"),
    ),
    DatasetSpec(
        name="fashion-mnist",
        summary="Fashion-MNIST: 70,000 grayscale images of clothes, 28x28",
        target="ganzoo_torchvision_data.digits:FashionMNIST",
        config="ganzoo_torchvision_data.config:DownloadableConfig",
        paper="Fashion-MNIST: a Novel Image Dataset, arXiv 1708.07747",
        license="MIT",
        fields=("image", "label"),
    ),
    DatasetSpec(
        name="cifar10",
        summary="CIFAR-10: 60,000 color images of animals and vehicles, 32x32",
        target="ganzoo_torchvision_data.cifar:CIFAR10",
        config="ganzoo_torchvision_data.config:DownloadableConfig",
        paper="Learning Multiple Layers of Features from Tiny Images, University of Toronto 2009",
        license="not stated by its authors; cite the report",
        fields=("image", "label"),
    ),
    DatasetSpec(
        name="celeba",
        summary="CelebA: 202,599 faces of 10,177 celebrities with 40 attributes",
        target="ganzoo_torchvision_data.celeba:CelebA",
        config="ganzoo_torchvision_data.config:CelebAConfig",
        paper="Deep Learning Face Attributes in the Wild, arXiv 1411.7766",
        license="non-commercial research only",
        fields=("image", "label", "identity"),
    ),
    DatasetSpec(
        name="svhn",
        summary="SVHN: 99,289 house numbers from street views, 32x32",
        target="ganzoo_torchvision_data.svhn:SVHN",
        config="ganzoo_torchvision_data.config:SVHNConfig",
        paper="Reading Digits in Natural Images with Unsupervised Feature Learning, "
        "NIPS Workshop 2011",
        license="non-commercial use only",
        fields=("image", "label"),
    ),
)


@hookimpl
def ganzoo_register(zoo: Registrar) -> None:
    """Add the data sets."""
    zoo.add(*_SPECS)

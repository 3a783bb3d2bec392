"""The evaluators `open-faces-identity` and `open-faces-age`: frozen networks for photographs.

Sources: github.com/davisking/dlib-models, CC0-1.0. The face descriptor has mean accuracy 99.38 % on
LFW there, and its training data share no people with LFW. The age network was trained on about
110,000 private images.

Shapes: N batch, C channels, H and W image size.
"""

from contextlib import suppress

import torch
from ganzoo_face_aging.face_alignment import CropGeometry
from torch.nn.functional import normalize, pad

from ganzoo_core import DataInfo, Model
from ganzoo_core.errors import UsageError
from ganzoo_core.layers import expected_index, resize_to_rgb
from ganzoo_core.weights import InstalledNetwork
from ganzoo_open_faces import dlib_network, onnx_network
from ganzoo_open_faces.geometry import chip_geometry
from ganzoo_open_faces.model_files import AGE_NETWORK, FACE_DESCRIPTOR
from ganzoo_open_faces.networks import CHANNEL_MEANS, DlibResNet
from ganzoo_open_faces.recrop import crop_window, eye_window

LICENSE = "CC0-1.0"
DESCRIPTOR_LENGTH = 128
_DESCRIPTOR_BLOCKS = (
    *[(32, 1)] * 3,
    (64, 2),
    *[(64, 1)] * 3,
    (128, 2),
    *[(128, 1)] * 2,
    (256, 2),
    *[(256, 1)] * 2,
    (256, 2),
)
"""Channels and stride of each residual block."""
_NUM_FEATURE_BLOCKS = 10
"""`features` are the maps after the last block of 128 channels."""
_LFW_METRICS = [
    {"name": "threshold", "value": 0.426, "settings": {"data": "lfw", "num_genuine_pairs": 331}}
]
"""`benchmarks/open_faces.py`: the highest accuracy on faces cropped by their eyes."""
_UTKFACE_METRICS = [
    {"name": "age_mae", "value": 5.80, "settings": {"data": "utkface", "num_images": 800}}
]
_AGE_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
_NUM_AGE_CLASSES = 81
_NUM_AGES = 101
_IMPOSSIBLE_LOGIT = -100.0
"""Logit of the ages 81 to 100, which the network does not have: their probability is 0."""


class _FrozenModel(Model):
    """A network that is not trained here.

    Args:
        info: size and crop of its images.
        state: arrays of the network by name.
        blocks, num_outputs, has_bias: see `DlibResNet`.
    """

    inference_modules = ("net",)

    def __init__(self, info, state, blocks, num_outputs, *, has_bias):
        super().__init__(None, info)
        self.input_size = info.image_size
        self._window = None
        with torch.device("meta"):
            self.net = DlibResNet(blocks, num_outputs, has_bias)
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        tensors["means"] = torch.tensor(CHANNEL_MEANS).view(3, 1, 1)
        self.net.load_state_dict(tensors, assign=True)
        self.eval()

    def configure_optimizers(self):
        """Return no optimizer."""
        return {}

    def stages(self):
        """Return no stage."""
        return ()

    def adapt_to_images(self, info):
        """Expect faces of another crop from now on, and crop each as the training images were.
        Faces without a known crop are taken as they are."""
        self._window = None
        if info.crop:
            with suppress(UsageError):  # another transform: the eyes are unknown
                source = CropGeometry.from_json(info.crop)
                self._window = eye_window(source, CropGeometry.from_json(self.info.crop))

    def _preprocess(self, image):
        if self._window is not None:
            image = crop_window(image, self._window, self.input_size)
        return resize_to_rgb(image, self.input_size)


class FaceDescriptor(_FrozenModel):
    """dlib's face recognition network: a ResNet of 29 convolutions, trained with a hinge loss of
    pairs. Descriptors of one person are less than 0.6 apart."""

    def descriptor(self, image):
        """Return dlib's descriptors [N, 128] of images [N, C, H, W] in [-1, 1]."""
        return self.net(self._preprocess(image))

    def embed(self, image):
        """Return descriptors as unit vectors [N, 128]."""
        return normalize(self.descriptor(image))

    def features(self, image):
        """Return the maps of a middle layer, [N, 128, 8, 8]."""
        return self.net.intermediate_features(self._preprocess(image), _NUM_FEATURE_BLOCKS)


class AgeNetwork(_FrozenModel):
    """A ResNet of 11 convolutions over the ages 0 to 80, trained for dlib by Cydral Technology."""

    def age_logits(self, image):
        """Return logits [N, 101] of images [N, C, H, W] in [-1, 1]; ages above 80 have probability
        0."""
        logits = self.net(self._preprocess(image))
        return pad(logits, (0, _NUM_AGES - _NUM_AGE_CLASSES), value=_IMPOSSIBLE_LOGIT)

    def estimate_age(self, image):
        """Return expected ages [N] in years."""
        return expected_index(self.age_logits(image))


def find_face_descriptor():
    """Return the evaluator `open-faces-identity`.

    Raises:
        WeightsError: its package is not installed, or, from `build`, has another file.
    """
    info = DataInfo(
        image_size=150, name="dlib-faces", license=LICENSE, crop=chip_geometry(0.25, 150).to_json()
    )

    def build():
        state = dlib_network.read_network(
            FACE_DESCRIPTOR.read(), FACE_DESCRIPTOR.name, _DESCRIPTOR_BLOCKS, DESCRIPTOR_LENGTH
        )
        return FaceDescriptor(info, state, _DESCRIPTOR_BLOCKS, DESCRIPTOR_LENGTH, has_bias=False)

    return _installed_network("dlib-face-descriptor", FACE_DESCRIPTOR, info, build, _LFW_METRICS)


def find_age_network():
    """Return the evaluator `open-faces-age`; raises as `find_face_descriptor`."""
    info = DataInfo(
        image_size=64, name="cydral-ages", license=LICENSE, crop=chip_geometry(0.2, 64).to_json()
    )

    def build():
        state = onnx_network.read_network(
            AGE_NETWORK.read(), AGE_NETWORK.name, _AGE_BLOCKS, _NUM_AGE_CLASSES
        )
        return AgeNetwork(info, state, _AGE_BLOCKS, _NUM_AGE_CLASSES, has_bias=True)

    return _installed_network("dlib-age", AGE_NETWORK, info, build, _UTKFACE_METRICS)


def _installed_network(model, file, info, build, metrics):
    path = file.find()
    index = {
        "model": model,
        "data": info.to_json(),
        "license": LICENSE,
        "config": {},
        "files": {},
        "metrics": metrics,
    }
    return InstalledNetwork(path=path.parent, index=index, hashed_file=path.name, build=build)

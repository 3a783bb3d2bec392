"""What the zoo learns of this plugin; cheap to import."""

from __future__ import annotations

from ganzoo_core.zoo import DatasetSpec, hookimpl
from ganzoo_core.zoo.hooks import Registrar

SPECS = (
    DatasetSpec(
        name="utkface",
        summary="UTKFace: 23,708 faces with ages from 1 to 116",
        target="ganzoo_faces.named:UTKFace",
        config="ganzoo_faces.config:AgesConfig",
        paper="Age Progression/Regression by Conditional Adversarial Autoencoder, arXiv 1702.08423",
        license="non-commercial research only",
        gives=("image", "age"),
    ),
    DatasetSpec(
        name="fgnet",
        summary="FG-NET: 1,002 photographs of 82 people at ages from 0 to 69",
        target="ganzoo_faces.named:FGNet",
        config="ganzoo_faces.config:AgesConfig",
        paper="Toward Automatic Simulation of Aging Effects on Face Images, TPAMI 2002, "
        "doi 10.1109/34.993553",
        license="research only",
        gives=("image", "age", "identity"),
    ),
    DatasetSpec(
        name="cacd",
        summary="CACD: 163,446 photographs of 2,000 celebrities with ages",
        target="ganzoo_faces.named:CACD",
        config="ganzoo_faces.config:AgesConfig",
        paper="Cross-Age Reference Coding for Age-Invariant Face Recognition and Retrieval, "
        "ECCV 2014, doi 10.1007/978-3-319-10599-4_49",
        license="non-commercial research only",
        gives=("image", "age", "identity"),
    ),
    DatasetSpec(
        name="lfw",
        summary="Labeled Faces in the Wild: 13,233 photographs of 5,749 people",
        target="ganzoo_faces.lfw:LFW",
        config="ganzoo_faces.config:LFWConfig",
        paper="Labeled Faces in the Wild, University of Massachusetts, Amherst, 2007, "
        "Technical Report 07-49",
        license="research; copyright of the photographs stays with their owners",
        gives=("image", "identity"),
    ),
    DatasetSpec(
        name="orl",
        summary="ORL (AT&T) faces: 400 grey photographs of 40 people",
        target="ganzoo_faces.named:ORL",
        config="ganzoo_faces.config:PicturesConfig",
        paper="Parameterisation of a Stochastic Model for Human Face Identification, WACV 1994, "
        "doi 10.1109/ACV.1994.341300",
        license="free to use with credit to AT&T Laboratories Cambridge",
        gives=("image", "identity"),
    ),
    DatasetSpec(
        name="folder",
        summary="A folder or tar of your own pictures",
        target="ganzoo_faces.folders:PlainFolder",
        config="ganzoo_faces.config:OwnConfig",
        license="not stated",
        gives=("image",),
    ),
    DatasetSpec(
        name="class-folder",
        summary="A folder or tar of folders of pictures, one folder a class",
        target="ganzoo_faces.folders:ClassFolder",
        config="ganzoo_faces.config:OwnConfig",
        license="not stated",
        gives=("image", "label"),
    ),
    DatasetSpec(
        name="table",
        summary="A CSV or JSONL of pictures: path, and age, identity, label where known",
        target="ganzoo_faces.table:ListedPictures",
        config="ganzoo_faces.config:TableConfig",
        license="not stated",
        gives=("image", "label", "age", "identity"),
    ),
)


@hookimpl
def ganzoo_register(zoo: Registrar) -> None:
    """Add the data sets."""
    zoo.add(*SPECS)

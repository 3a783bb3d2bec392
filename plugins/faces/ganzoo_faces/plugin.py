"""Registers the data sets; cheap to import."""

from __future__ import annotations

from ganzoo_core.zoo import DatasetSpec, hookimpl
from ganzoo_core.zoo.hooks import Registrar

_SPECS = (
    DatasetSpec(
        name="utkface",
        summary="UTKFace: 23,708 faces with ages from 1 to 116",
        target="ganzoo_faces.filename_datasets:UTKFace",
        config="ganzoo_faces.config:AgeRangeConfig",
        paper="Age Progression/Regression by Conditional Adversarial Autoencoder, arXiv 1702.08423",
        license="non-commercial research only",
        fields=("image", "age"),
    ),
    DatasetSpec(
        name="fgnet",
        summary="FG-NET: 1,002 photographs of 82 people at ages from 0 to 69",
        target="ganzoo_faces.filename_datasets:FGNet",
        config="ganzoo_faces.config:AgeRangeConfig",
        paper="Toward Automatic Simulation of Aging Effects on Face Images, TPAMI 2002, "
        "doi 10.1109/34.993553",
        license="research only",
        fields=("image", "age", "identity"),
    ),
    DatasetSpec(
        name="cacd",
        summary="CACD: 163,446 photographs of 2,000 celebrities with ages",
        target="ganzoo_faces.filename_datasets:CACD",
        config="ganzoo_faces.config:AgeRangeConfig",
        paper="Cross-Age Reference Coding for Age-Invariant Face Recognition and Retrieval, "
        "ECCV 2014, doi 10.1007/978-3-319-10599-4_49",
        license="non-commercial research only",
        fields=("image", "age", "identity"),
    ),
    DatasetSpec(
        name="lfw",
        summary="Labeled Faces in the Wild: 13,233 photographs of 5,749 people",
        target="ganzoo_faces.lfw:LFW",
        config="ganzoo_faces.config:LFWConfig",
        paper="Labeled Faces in the Wild, University of Massachusetts, Amherst, 2007, "
        "Technical Report 07-49",
        license="research; copyright of the photographs stays with their owners",
        fields=("image", "identity"),
    ),
    DatasetSpec(
        name="orl",
        summary="ORL (AT&T) faces: 400 grayscale photographs of 40 people",
        target="ganzoo_faces.filename_datasets:ORL",
        config="ganzoo_faces.config:ImageFilesConfig",
        paper="Parameterisation of a Stochastic Model for Human Face Identification, WACV 1994, "
        "doi 10.1109/ACV.1994.341300",
        license="free to use with credit to AT&T Laboratories Cambridge",
        fields=("image", "identity"),
    ),
    DatasetSpec(
        name="folder",
        summary="A folder or tar of your own images",
        target="ganzoo_faces.folders:PlainFolder",
        config="ganzoo_faces.config:UserImagesConfig",
        detect="ganzoo_faces.detect:detect_folder",
        license="not stated",
        fields=("image",),
    ),
    DatasetSpec(
        name="class-folder",
        summary="A folder or tar with one folder of images for each class",
        target="ganzoo_faces.folders:ClassFolder",
        config="ganzoo_faces.config:UserImagesConfig",
        detect="ganzoo_faces.detect:detect_class_folder",
        license="not stated",
        fields=("image", "label"),
    ),
    DatasetSpec(
        name="paired-folder",
        summary="Pairs of images: folders A and B, or both images side by side",
        target="ganzoo_faces.paired_folders:PairedFolder",
        config="ganzoo_faces.config:UserImagesConfig",
        license="not stated",
        fields=("image", "label", "identity"),
    ),
    DatasetSpec(
        name="unpaired-folder",
        summary="Two folders of images, trainA and trainB",
        target="ganzoo_faces.paired_folders:UnpairedFolder",
        config="ganzoo_faces.config:UserImagesConfig",
        license="not stated",
        fields=("image", "label"),
    ),
    DatasetSpec(
        name="table",
        summary="A CSV or JSONL of images: path, and optional age, identity, label",
        target="ganzoo_faces.table_dataset:TableDataset",
        config="ganzoo_faces.config:TableConfig",
        detect="ganzoo_faces.detect:detect_table",
        license="not stated",
        fields=("image", "label", "age", "identity"),
    ),
    DatasetSpec(
        name="parquet",
        summary="Parquet or Arrow files with images, such as a folder of Hugging Face datasets",
        target="ganzoo_faces.arrow_dataset:ArrowDataset",
        config="ganzoo_faces.config:ArrowConfig",
        detect="ganzoo_faces.detect:detect_arrow",
        license="not stated",
        fields=("image", "label", "age", "identity"),
    ),
)


@hookimpl
def ganzoo_register(zoo: Registrar) -> None:
    """Add the data sets."""
    zoo.add(*_SPECS)

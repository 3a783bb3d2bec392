"""Registers the capabilities `estimate_age` and `edit_age`, the metric `aging`, the image transform
`face-align`, and the commands `ganzoo age` and `ganzoo bench aging`; imports neither torch nor
pydantic."""

from ganzoo_core import (
    CapabilitySpec,
    CommandSpec,
    GallerySection,
    MetricOption,
    MetricSpec,
    TransformSpec,
    hookimpl,
)

_CAPABILITIES = "ganzoo_face_aging.capabilities"
_OPTIONS = "ganzoo_face_aging.options"
_TESTING = "ganzoo_face_aging.testing"
FIGURE_FILE = "aging.png"
"""The figure of the benchmark, in the folder of evaluation.json."""


@hookimpl
def ganzoo_register(zoo):
    """Add the capabilities, the aging benchmark and the alignment of faces to the zoo."""
    zoo.add(
        CapabilitySpec(
            name="estimate_age",
            summary="Estimates the age of a face",
            target=f"{_CAPABILITIES}:SupportsAgeEstimation",
            role="age",
            output="age",
            checks=(f"{_TESTING}:estimate_age_output",),
            stub=f"{_TESTING}:StubAgeEstimator",
            pipeline_tag="image-feature-extraction",
            limitations="The model estimates apparent age with an error of years. The error is "
            "larger for people who differ from those in its data. Do not base decisions about "
            "people on it.",
        ),
        CapabilitySpec(
            name="edit_age",
            summary="Renders faces at other ages",
            target=f"{_CAPABILITIES}:SupportsAgeEditing",
            command="age",
            checks=(f"{_TESTING}:edit_age_output",),
            pipeline_tag="image-to-image",
            limitations="The model generates the typical look of an age group in its data. It does "
            "not predict how a person will look. Do not present its images as photographs.",
        ),
        TransformSpec(
            name="face-align",
            summary="Detects the face, levels its eyes and crops it at a fixed geometry",
            target="ganzoo_face_aging.align_transform:FaceAlign",
            license="Apache-2.0",
        ),
        MetricSpec(
            name="aging",
            summary="Aging benchmark: age error, identity, realism; for models that edit ages",
            target="ganzoo_face_aging.metric:aging",
            license="Apache-2.0",
            evaluates="model",
            requires=("edit_age",),
            has_baselines=True,
            options=(
                MetricOption(
                    name="age_bins",
                    default="report",
                    metavar="NAME|A,B,...",
                    parse=f"{_OPTIONS}:parse_upper_edges",
                    help="Age groups of --baselines: report, pfa-4, pfa-5, pfa-7, or upper edges "
                    "in years.",
                ),
                MetricOption(
                    name="evaluator",
                    multiple=True,
                    metavar="ROLE=DIR",
                    parse=f"{_OPTIONS}:parse_evaluators",
                    help="Held-out evaluator of age or identity, for the metric aging; default: a "
                    "shipped one.",
                ),
                MetricOption(
                    name="calibration",
                    metavar="NAME[:PATH]",
                    completes="dataset",
                    help="Data for the thresholds of the true accept rates, for the metric aging "
                    "on data without identities.",
                ),
                MetricOption(
                    name="direction",
                    choices=("all", "older", "younger"),
                    default="all",
                    help="Target groups relative to the source group, for the metric aging.",
                ),
            ),
            breakdowns={
                "estimated_age": "",
                "group_accuracy": "",
                "tar_far_0.01": "gap ",
                "identity_cosine": "gap ",
                "kid": "",
            },
        ),
    )


@hookimpl
def ganzoo_page_pictures(run):
    """Add the figure of the aging benchmark to the page of a run."""
    figure = run / "report" / FIGURE_FILE
    return [("Faces at other ages", figure)] if figure.exists() else []


@hookimpl
def ganzoo_gallery_sections():
    """Add the page that ages a photograph."""
    return [
        GallerySection(
            name="Age a face",
            capability="edit_age",
            target="ganzoo_face_aging.gallery_section:age_photo",
            config="ganzoo_face_aging.gallery_section:AgePhotoOptions",
            takes_photo=True,
            compares=True,
            note="The model draws the typical look of an age group in its data. It does not "
            "predict how a person will look.",
        )
    ]


@hookimpl
def ganzoo_commands():
    """Add the commands `age` and `bench aging`."""
    return [
        CommandSpec(
            name="age",
            help="Render faces in photographs at other ages.",
            target="ganzoo_face_aging.commands:age",
            aliases=("aging",),
        ),
        CommandSpec(
            name="bench aging",
            help="Grade models that render faces at other ages, in one table.",
            target="ganzoo_face_aging.bench.commands:aging",
        ),
    ]

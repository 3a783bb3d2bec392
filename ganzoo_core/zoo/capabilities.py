"""Specs of the capabilities in the core: `ganzoo list capabilities`."""

from __future__ import annotations

from ganzoo_core.zoo.specs import CapabilitySpec

_PROTOCOLS = "ganzoo_core.interfaces.capabilities"

CAPABILITIES = (
    CapabilitySpec(
        name="sample",
        summary="Generates images",
        target=f"{_PROTOCOLS}:SupportsSampling",
        command="sample",
        pipeline_tag="unconditional-image-generation",
        limitations="The images are synthetic: what they show does not exist. The model "
        "reproduces the biases of its data. Do not present its images as photographs.",
    ),
    CapabilitySpec(
        name="likelihood",
        summary="Computes the likelihood of images, or a lower bound",
        target=f"{_PROTOCOLS}:SupportsLikelihood",
    ),
    CapabilitySpec(
        name="translate",
        summary="Maps images to images of another class",
        target=f"{_PROTOCOLS}:SupportsTranslation",
        command="translate",
        pipeline_tag="image-to-image",
    ),
    CapabilitySpec(
        name="embed",
        summary="Maps images to unit vectors, close for the same person",
        target=f"{_PROTOCOLS}:SupportsEmbedding",
        role="identity",
        output="embedding",
        stub="ganzoo_core.testing.stubs:StubAuxiliary",
        pipeline_tag="image-feature-extraction",
        limitations="The model measures how similar two photographs are. It makes more errors for "
        "people who differ from those in its data. Do not use it to identify or monitor people "
        "without their consent.",
    ),
)

"""Registers `age-estimator` and its judges; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model."""
    zoo.add(
        ModelSpec(
            name="age-estimator",
            summary="Age estimator: a distribution over the ages 0 to 100",
            target="ganzoo_age_estimator.model:AgeEstimator",
            config="ganzoo_age_estimator.config:AgeConfig",
            paper="PFA-GAN: Progressive Face Aging with Generative Adversarial Network, "
            "arXiv 2012.03459",
            license="Apache-2.0",
            can=("estimate_age",),
        )
    )

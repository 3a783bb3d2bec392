"""Registers `age-estimator` and its judges; imports neither torch nor pydantic."""

from ganzoo_core import JudgeSpec, ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model and its judges."""
    zoo.add(
        ModelSpec(
            name="age-estimator",
            summary="Age estimator: a distribution over the ages 0 to 100",
            target="ganzoo_age_estimator.model:AgeEstimator",
            config="ganzoo_age_estimator.config:AgeConfig",
            paper="PFA-GAN: Progressive Face Aging with Generative Adversarial Network, "
            "arXiv 2012.03459",
            license="Apache-2.0",
            family="reader",
            can=("estimate_age",),
        ),
        judge("people-age", "How old, of drawn portraits: PFA-GAN's layout made slim"),
        judge("people-age-held-out", "Another to measure with: residual", held_out=True),
    )


def judge(name, summary, held_out=False):
    """Return a shipped judge; its bundle lies in judges/NAME."""
    return JudgeSpec(
        name=name,
        summary=summary,
        target=f"ganzoo_age_estimator:judges/{name}",
        role="age",
        data="people",
        split="judge-b" if held_out else "judge-a",
        held_out=held_out,
        license="Apache-2.0",
    )

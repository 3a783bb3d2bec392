"""Registers `age-estimator` and its evaluators; imports neither torch nor pydantic."""

from ganzoo_core import EvaluatorSpec, ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model and its evaluators to the zoo."""
    zoo.add(
        ModelSpec(
            name="age-estimator",
            summary="Age estimator: a distribution over the ages 0 to 100",
            target="ganzoo_age_estimator.model:AgeEstimator",
            config="ganzoo_age_estimator.config:AgeEstimatorConfig",
            paper="PFA-GAN: Progressive Face Aging with Generative Adversarial Network, "
            "arXiv 2012.03459",
            license="Apache-2.0",
            family="discriminative",
            fidelity={
                "counts": "equal",
                "forward": "equal",
                "losses": "differs: loss",
            },
            capabilities=("estimate_age",),
        ),
        _evaluator_spec("people-age", "Age estimator for people: a slim network as in PFA-GAN"),
        _evaluator_spec(
            "people-age-held-out",
            "Age estimator for people, for evaluation only: residual",
            held_out=True,
        ),
    )


def _evaluator_spec(name, summary, held_out=False):
    return EvaluatorSpec(
        name=name,
        summary=summary,
        target=f"ganzoo_age_estimator:evaluators/{name}",
        role="age",
        train_data="people",
        train_split="evaluator" if held_out else "auxiliary",
        held_out=held_out,
        license="Apache-2.0",
    )

"""Registers `facenet`, its evaluators and the command `ganzoo face`; imports neither torch nor
pydantic."""

from ganzoo_core import CommandSpec, EvaluatorSpec, ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model and its evaluators to the zoo."""
    zoo.add(
        ModelSpec(
            name="facenet",
            summary="FaceNet: face embeddings for verification, identification and clustering",
            target="ganzoo_facenet.model:FaceNet",
            config="ganzoo_facenet.config:FaceNetConfig",
            paper="FaceNet: A Unified Embedding for Face Recognition and Clustering, "
            "arXiv 1503.03832",
            license="Apache-2.0",
            family="discriminative",
            fidelity={
                "counts": "equal",
                "forward": "equal",
                "losses": "equal",
                "recipe": "differs: pretraining; networks",
            },
            capabilities=("embed",),
        ),
        _evaluator_spec("people-identity", "Face embeddings for people: six convolutions"),
        _evaluator_spec(
            "people-identity-held-out",
            "Face embeddings for people, for evaluation only: residual",
            held_out=True,
        ),
    )


def _evaluator_spec(name, summary, held_out=False):
    return EvaluatorSpec(
        name=name,
        summary=summary,
        target=f"ganzoo_facenet:evaluators/{name}",
        role="identity",
        train_data="people",
        train_split="evaluator" if held_out else "auxiliary",
        held_out=held_out,
        license="Apache-2.0",
    )


@hookimpl
def ganzoo_commands():
    """Add the command `face`."""
    text = "Compare, identify and cluster faces, and estimate ages."
    return [CommandSpec(name="face", help=text, target="ganzoo_facenet.commands:face")]

"""Registers `facenet`, its judges and the verb `face`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, JudgeSpec, ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model and its judges."""
    zoo.add(
        ModelSpec(
            name="facenet",
            summary="FaceNet: who is in the picture, as a point on a sphere",
            target="ganzoo_facenet.model:FaceNet",
            config="ganzoo_facenet.config:FaceNetConfig",
            paper="FaceNet: A Unified Embedding for Face Recognition and Clustering, "
            "arXiv 1503.03832",
            license="Apache-2.0",
            family="reader",
            can=("embed",),
        ),
        judge("people-identity", "Who is it, of drawn portraits: six convolutions"),
        judge("people-identity-held-out", "Another to measure with: residual", held_out=True),
    )


def judge(name, summary, held_out=False):
    """Return a shipped judge; its bundle lies in judges/NAME."""
    return JudgeSpec(
        name=name,
        summary=summary,
        target=f"ganzoo_facenet:judges/{name}",
        role="identity",
        data="people",
        split="judge-b" if held_out else "judge-a",
        held_out=held_out,
        license="Apache-2.0",
    )


@hookimpl
def ganzoo_commands():
    """Add the verb `face`."""
    text = "Compare faces, find and sort people, estimate ages."
    return [CommandSpec(name="face", help=text, target="ganzoo_facenet.verbs:face")]

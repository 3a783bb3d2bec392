"""Registers `facenet`, its judges and the verb `face`; imports neither torch nor pydantic."""

from ganzoo_core import CommandSpec, ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model."""
    zoo.add(
        ModelSpec(
            name="facenet",
            summary="FaceNet: who is in the picture, as a point on a sphere",
            target="ganzoo_facenet.model:FaceNet",
            config="ganzoo_facenet.config:FaceNetConfig",
            paper="FaceNet: A Unified Embedding for Face Recognition and Clustering, "
            "arXiv 1503.03832",
            license="Apache-2.0",
            can=("embed",),
        )
    )


@hookimpl
def ganzoo_commands():
    """Add the verb `face`."""
    text = "Compare faces, find and sort people, estimate ages."
    return [CommandSpec(name="face", help=text, target="ganzoo_facenet.verbs:face")]

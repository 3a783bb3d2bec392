"""Registers `ipcgan`; imports neither torch nor pydantic."""

from ganzoo_core import ModelSpec, hookimpl


@hookimpl
def ganzoo_register(zoo):
    """Add the model to the zoo."""
    zoo.add(
        ModelSpec(
            name="ipcgan",
            summary="IPCGAN: a conditional LSGAN ages faces; frozen networks keep identity and age",
            target="ganzoo_ipcgan.model:IPCGAN",
            config="ganzoo_ipcgan.config:IPCGANConfig",
            paper="Face Aging with Identity-Preserved Conditional Generative Adversarial Networks, "
            "doi 10.1109/CVPR.2018.00828",
            license="Apache-2.0",
            family="implicit",
            fidelity={
                "forward": "differs: padding",
                "losses": "differs: identity; age classifier",
                "recipe": "differs: source faces",
            },
            capabilities=("translate", "edit_age"),
            auxiliaries=("identity", "age"),
        )
    )

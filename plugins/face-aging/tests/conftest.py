"""Fixtures of the core's tests: the command line in new processes, a trained run; and a plugin with
a toy model."""

import pytest

from conftest import install_plugins, run_ganzoo, trained_run

__all__ = ["run_ganzoo", "trained_run"]

TOY_MODEL_SOURCE = '''
import torch
from ganzoo_core import Model, ModelConfig, OptimizerSpec, Phase, Stage

class WhiteningConfig(ModelConfig):
    age_bins: tuple[int, ...] = (18, 29, 39, 49, 59)
    presets = {"quick": {"data": {"name": "people", "count": 24, "image_size": 32}}}

class Whitening(Model):
    """Blends faces with white, more for each older group; supports older targets only."""
    inference_modules = ("net",)

    def __init__(self, config, info):
        super().__init__(config, info)
        self.net = torch.nn.Linear(1, 1)

    def loss(self, ctx):
        return self.net(ctx.randn(4, 1)).square().mean()

    def configure_optimizers(self):
        return {"net": OptimizerSpec(("net",), lambda p: torch.optim.SGD(p, 0.1))}

    def stages(self):
        return (Stage("one", (Phase("net", "net", self.loss),), steps=1),)

    def supported_transitions(self, source, target):
        return target >= source

    def edit_age(self, images, source_age, target_age):
        bins = torch.tensor(self.info.age_bins).float()
        source, target = (torch.bucketize(age.floor(), bins) for age in (source_age, target_age))
        gap = target - source[:, None]
        assert (gap >= 0).all()
        weight = 0.12 * gap[:, :, None, None, None]
        return images[:, None] * (1 - weight) + weight * 0.8
'''
TOY_PLUGIN_SOURCE = """
from ganzoo_core import ModelSpec, hookimpl

@hookimpl
def ganzoo_register(zoo):
    zoo.add(ModelSpec(name="whitening", summary="Older is whiter",
                      target="ganzoo_whitening.model:Whitening",
                      config="ganzoo_whitening.model:WhiteningConfig", capabilities=("edit_age",)))
"""


@pytest.fixture(scope="session")
def toy_plugin(tmp_path_factory):
    """PYTHONPATH of the plugin of the toy model `whitening`."""
    target = tmp_path_factory.mktemp("plugin")
    files = {"plugin.py": TOY_PLUGIN_SOURCE, "model.py": TOY_MODEL_SOURCE}
    install_plugins(target, {"whitening": ("0.1", files)})
    return str(target)

"""Options of the loss `my-plugin`."""

from typing import Literal

from pydantic import Field

from ganzoo_core import LossOptions


class MyPluginOptions(LossOptions):
    """`[model.loss]` with kind = "my-plugin"."""

    kind: Literal["my-plugin"] = "my-plugin"
    """The name of the loss."""
    temperature: float = Field(1.0, gt=0)
    """Logits are divided by it."""

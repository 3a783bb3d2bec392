"""Options of the term `my-plugin`."""

from pydantic import Field

from ganzoo_core import WeightedTermOptions


class MyPluginOptions(WeightedTermOptions):
    """`[model.terms.my-plugin]`: `weight` and `interval` come from the base class."""

    target: float = Field(0.0)
    """The logit that is not penalized."""

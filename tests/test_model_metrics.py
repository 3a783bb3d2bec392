"""A metric of a third party that evaluates a model: its options, baselines and refusals."""

import json

import pytest

from conftest import install_plugins
from ganzoo_core.zoo import MetricOption, MetricSpec
from ganzoo_core.zoo.discovery import Plugin

PLUGIN_SOURCE = """
from ganzoo_core import MetricOption, MetricSpec, hookimpl

@hookimpl
def ganzoo_register(zoo):
    unit = MetricOption(name="unit", help="Unit of the counts.", choices=("one", "kilo"),
                        default="one")
    skip = MetricOption(name="skip_part", help="A network to skip.", metavar="NAME", multiple=True,
                        parse="ganzoo_counting.metric:parse_names")
    zoo.add(
        MetricSpec(name="num-params", summary="Parameters", evaluates="model",
                   target="ganzoo_counting.metric:num_params", options=(unit, skip),
                   has_baselines=True, breakdowns={"num_params": "net "}),
        MetricSpec(name="num-edits", summary="Edits", evaluates="model", requires=("edit_age",),
                   target="ganzoo_counting.metric:num_params",
                   options=(MetricOption(name="depth", help="Depth."),)),
    )
"""
METRIC_SOURCE = """
from ganzoo_core.errors import UsageError
from ganzoo_core.metrics import MetricValue, ModelContext, ModelMetricResult

def parse_names(texts):
    if "" in texts:
        raise UsageError("--skip-part: give a name")
    return set(texts)

def num_params(ctx: ModelContext) -> ModelMetricResult:
    unit = {"one": 1, "kilo": 1000}[ctx.options["unit"]]
    zero = {"zero": {"num_params": MetricValue(value=0.0, breakdown={"all": 0.0})}}
    settings = {"unit": unit, "data": ctx.data_section.get("name", ""), "n": ctx.num_samples}
    if ctx.model is None:
        return ModelMetricResult(values={}, baselines=zero, settings=settings)
    parts = {
        name: sum(p.numel() for p in net.parameters()) / unit
        for name, net in ctx.model.named_children() if name not in ctx.options["skip_part"]
    }
    ctx.notes.append(f"{len(parts)} networks")
    value = MetricValue(value=sum(parts.values()), breakdown=parts)
    return ModelMetricResult(values={"num_params": value}, baselines=zero, settings=settings)
"""


@pytest.fixture(scope="module")
def evaluate(run_ganzoo, tmp_path_factory):
    """A function that runs `ganzoo evaluate` with the third party's metrics."""
    target, home = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("home")
    files = {"plugin.py": PLUGIN_SOURCE, "metric.py": METRIC_SOURCE}
    install_plugins(target, {"counting": ("0.1", files)})
    return lambda *words: run_ganzoo(
        "evaluate", *words, "-q", cwd=home, env={"PYTHONPATH": str(target)}
    )


def test_model_metric_of_a_third_party(evaluate, trained_run):
    words = (trained_run, "--metrics", "num-params", "--out", "e", "--unit", "kilo", "-n", 7)
    done = evaluate(*words, "--skip-part", "x", "--skip-part", "discriminator", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    result = found["results"]["num-params"]
    assert result["settings"] == {"unit": 1000, "data": "shapes", "n": 7}
    assert list(result["values"]["num_params"]["breakdown"]) == ["generator"]
    assert result["baselines"]["zero"]["num_params"]["value"] == 0
    assert found["notes"] == ["1 networks"]
    table = evaluate(*words).out
    assert "net generator" in table and "ZERO" in table.splitlines()[0]


def test_baselines_without_model(evaluate):
    done = evaluate("--baselines", "--metrics", "num-params", "--data", "shapes", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)["results"]["num-params"]
    assert result["values"] == {} and result["settings"]["unit"] == 1
    assert result["baselines"]["zero"]["num_params"]["value"] == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--metrics", "fid", "--unit", "kilo"), "--unit belongs to the metric num-params"),
        (("--metrics", "num-params", "--depth", "3"), "the capability edit_age"),
        (("--metrics", "num-edits"), "lacks the capability edit_age"),
        (("--metrics", "num-params", "--unit", "mega"), "--unit"),
        (("--metrics", "num-params", "--skip-part", ""), "--skip-part: give a name"),
        (("--unitt", "one"), "--unit"),
    ],
)
def test_option_errors_are_one_line(evaluate, trained_run, words, named):
    done = evaluate(trained_run, *words)
    assert done.code == 2 and named in done.error, done.err
    assert "Traceback" not in done.err


def test_baselines_refuse_metrics_without(evaluate):
    done = evaluate("--baselines", "--metrics", "fid", "--data", "shapes")
    assert done.code == 2 and "--baselines: the metric fid has none" in done.error


@pytest.mark.parametrize(
    "values",
    [
        {"evaluates": "faces"},
        {"options": (MetricOption(name="depth", help="x"),)},
        {"has_baselines": True},
        {"evaluates": "model", "options": (MetricOption(name="--depth", help="x"),)},
        {"evaluates": "model", "options": ("depth",)},
    ],
)
def test_invalid_metric_spec_is_rejected(values):
    spec = MetricSpec(name="m", summary="x", target="a:b", **values)
    with pytest.raises((TypeError, ValueError), match=r"m: |name='m'"):
        Plugin("p", "p", "1").add(spec)

"""The metric `aging`: the aging benchmark on a model, or on its baselines alone."""

from __future__ import annotations

from ganzoo_core.metrics import ModelContext, ModelMetricResult
from ganzoo_face_aging.benchmark import (
    BenchmarkConfig,
    benchmark_model,
    parse_face_data_config,
    run_benchmark,
)
from ganzoo_face_aging.face_selection import DEFAULT_NUM_FACES


def aging(ctx: ModelContext) -> ModelMetricResult:
    """Age faces that no network was trained on, and evaluate age, identity and realism.

    A model ages 500 faces (`-n`) to every age group that it supports. Held-out evaluators measure
    the results, beside those of the baselines; see docs/explanation/aging.md for the values.

    Raises:
        GanzooError: see `run_benchmark`.
    """
    benchmark_config = BenchmarkConfig(
        num_faces=ctx.num_samples or DEFAULT_NUM_FACES,
        seed=ctx.seed,
        feature_extractor=ctx.feature_extractor,
        evaluators=ctx.options["evaluator"],
        direction=ctx.options["direction"],
        device=ctx.device,
        output_folder=ctx.output_dir,
        calibration=ctx.options["calibration"],
    )
    if ctx.model is None or ctx.pretrained is None:
        config = parse_face_data_config(ctx.data_section)
        result = run_benchmark(config, ctx.options["age_bins"], benchmark_config, ctx.progress)
        model_name = ""
    else:
        model_name = ctx.pretrained.model_name
        result = benchmark_model(
            ctx.pretrained, ctx.model, ctx.data_section, benchmark_config, ctx.progress
        )
    ctx.notes += result.notes
    return ModelMetricResult(
        values=result.values.pop(model_name, {}), baselines=result.values, settings=result.settings
    )

"""Warnings about a GAN whose training has failed."""

import pytest
import torch
from contract_models import EncoderGAN, TinyPixelCNN
from training_helpers import build_model, make_images

from ganzoo_core.training.diagnostics import PATIENCE, TrainingDiagnostics, sample_diversity


def warnings_for_accuracies(accuracies):
    warnings = []
    diagnostics = TrainingDiagnostics(warnings.append)
    for step, accuracy in enumerate(accuracies):
        diagnostics.check_metrics({"step": step} | ({"accuracy/d": accuracy} if accuracy else {}))
    return warnings


def test_overfitting_d_warning():
    (warning,) = warnings_for_accuracies([0.99] * 20)
    assert f"step {PATIENCE - 1}" in warning and "\n" not in warning
    for remedy in (
        "loss.real_target=0.9",
        "optim_d.lr",
        "terms.d-freeze.above_accuracy",
        "terms.d-reset.every_epochs",
    ):
        assert f"--set model.{remedy}" in warning


@pytest.mark.parametrize(
    "lines", [[0.99] * (PATIENCE - 1), [0.99, 0.99, 0.99, 0.9] * 9, [None] * 9]
)
def test_no_warning_for_balanced_gan(lines):
    assert warnings_for_accuracies(lines) == []


def test_mode_collapse_warning():
    model, warnings = build_model(EncoderGAN, make_images().info), []
    diagnostics = TrainingDiagnostics(warnings.append)
    diagnostics.check_diversity(model, 1)
    assert warnings == []
    with torch.no_grad():
        model.generator.layers[0].weight[: model.generator.latent_dim] = 0  # G ignores z
    diagnostics.check_diversity(model, 2)
    diagnostics.check_diversity(model, 3)
    (warning,) = warnings
    assert "step 2" in warning and "--set model.optim_g.lr" in warning


def test_no_collapse_warning_without_gan():
    warnings = []
    diagnostics = TrainingDiagnostics(warnings.append)
    diagnostics.check_diversity(build_model(TinyPixelCNN, make_images().info), 1)
    assert warnings == []


def test_diversity_is_mean_pairwise_distance():
    images = torch.stack([torch.full((3, 4, 4), v) for v in (0.0, 0.5)])
    assert sample_diversity(images) == pytest.approx(0.5)
    assert sample_diversity(images[:1].repeat(4, 1, 1, 1)) == 0

"""A GAN that has stopped learning is noticed, once, with advice."""

import pytest
import torch
from workbench import drawn, make
from zoo_of_proofs import EncoderGAN, Pixels

from ganzoo_core.runs.health import LINES, Health, diversity


def told(lines):
    said = []
    health = Health(said.append)
    for number, accuracy in enumerate(lines):
        health.line({"round": number, "d_accuracy": accuracy} if accuracy else {"round": number})
    return said


def test_a_discriminator_that_wins_is_told_once_with_advice():
    (said,) = told([0.99] * 20)
    assert f"by round {LINES - 1}" in said and "\n" not in said
    for remedy in ("loss.real_target=0.9", "optim_d.lr", "cures.halt_d_above", "cures.reset_d"):
        assert f"--set model.{remedy}" in said


@pytest.mark.parametrize("lines", [[0.99] * (LINES - 1), [0.99, 0.99, 0.99, 0.9] * 9, [None] * 9])
def test_a_good_fight_is_not_told(lines):
    assert told(lines) == []


def test_a_generator_that_collapses_is_told_once():
    model, said = make(EncoderGAN, drawn().info), []
    health = Health(said.append)
    health.pictures(model, 1)
    assert said == [] and health.highest > 0
    with torch.no_grad():
        model.generator.layers[0].weight[: model.generator.latent_dim] = 0  # z is not looked at
    health.pictures(model, 2)
    health.pictures(model, 3)
    (words,) = said
    assert "collapsed by round 2" in words and "--set model.optim_g.lr" in words
    Health(said.append).pictures(make(Pixels, drawn().info), 1)  # no GAN, so it cannot collapse
    assert len(said) == 1


def test_diversity_is_the_distance_of_two_images():
    images = torch.stack([torch.full((3, 4, 4), v) for v in (0.0, 0.5)])
    assert diversity(images) == pytest.approx(0.5)
    assert diversity(images[:1].repeat(4, 1, 1, 1)) == 0

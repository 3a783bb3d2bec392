"""Verification and age metrics against values computed by hand."""

import numpy as np
import pytest
from ganzoo_face_aging.age_estimation import evaluate_age_estimates
from ganzoo_face_aging.bootstrap import mean_ci95
from ganzoo_face_aging.verification import (
    PairDistances,
    evaluate_verification,
    kfold_accuracy,
    make_pair_distances,
)

from ganzoo_core.errors import DataError


def make_pairs(genuine, impostor):
    person_ids = np.arange(len(genuine)), np.arange(len(impostor))
    return PairDistances(np.array(genuine, float), np.array(impostor, float), *person_ids)


def test_thresholds_and_rates():
    p = make_pairs([0.1, 0.2, 0.3, 0.9], [0.25, 0.5, 0.6, 0.7, 0.8, 1.0, 1.1, 1.2, 1.3, 1.4])
    assert p.accuracy(0.3) == pytest.approx((3 / 4 + 9 / 10) / 2)
    assert p.true_accept_rate(0.2) == 0.5
    threshold = p.threshold_at_far(0.1)  # one in ten impostors is accepted
    assert 0.25 <= threshold < 0.5 and (p.impostor_distances <= threshold).sum() == 1
    assert p.accuracy(p.best_threshold()) == max(p.accuracy(t) for t in np.linspace(0, 2, 999))
    with pytest.raises(DataError, match="1,000"):
        p.threshold_at_far(1e-3)


def test_tied_distances_respect_far():
    p = make_pairs([0.1], [0.5] * 10)
    assert (p.impostor_distances <= p.threshold_at_far(0.5)).mean() <= 0.5


def test_all_pairs_are_unique():
    embeddings = np.eye(5)[[0, 0, 1, 1, 2]]
    p = make_pair_distances(embeddings, np.array([7, 7, 3, 3, 9]))
    assert len(p.genuine_distances) == 2 and p.genuine_distances.max() == 0
    assert len(p.impostor_distances) == 10 - 2 and np.allclose(p.impostor_distances, 2**0.5)
    result = evaluate_verification(embeddings, np.array([7, 7, 3, 3, 9]), 1.0)
    assert result.accuracy == 1 and result.accuracy_ci95 == (1, 1) and result.num_people == 3
    assert result.tar_at_far == {}  # too few impostors for any rate


def test_impostor_subsampling_is_deterministic():
    rng = np.random.default_rng(0)
    embeddings, person_ids = rng.normal(size=(200, 4)), np.arange(200) // 4
    a, b = (
        make_pair_distances(embeddings, person_ids, seed=3, max_impostor_pairs=500)
        for _ in range(2)
    )
    assert len(a.impostor_distances) == 500
    assert np.array_equal(a.impostor_distances, b.impostor_distances)
    assert len(a.genuine_distances) == 50 * 6


def test_roc_has_the_rates_of_each_threshold():
    rng = np.random.default_rng(0)
    for decimals in (9, 1):  # without and with ties
        genuine = rng.normal(0.8, 0.2, 60).round(decimals)
        impostor = rng.normal(1.2, 0.2, 300).round(decimals)
        far, tar = make_pairs(genuine, impostor).roc()
        assert far[[0, -1]].tolist() == tar[[0, -1]].tolist() == [0, 1]
        assert (np.diff(far) >= 0).all() and (np.diff(tar) >= 0).all()
        thresholds = np.unique(np.concatenate([genuine, impostor]))
        points = np.array([[(d <= t).mean() for d in (impostor, genuine)] for t in thresholds])
        curve = np.stack([far, tar], 1)
        for vertex in curve[1:]:
            assert np.abs(points - vertex).sum(1).min() < 1e-9
        lengths = np.abs(np.diff(curve, axis=0)).sum(1)
        for point in points:  # each lies between two neighboring vertices
            distances = np.abs(curve - point).sum(1)
            assert (distances[:-1] + distances[1:] - lengths).min() < 1e-9


def test_invalid_embeddings_refused():
    with pytest.raises(DataError, match="3 photographs of 1 people"):
        make_pair_distances(np.eye(3), np.zeros(3))
    broken = np.eye(4)
    broken[2, 1] = np.nan
    with pytest.raises(DataError, match=r"1 of 4 embeddings .* 2"):
        make_pair_distances(broken, np.array([0, 0, 1, 1]))


def test_ten_fold_uses_other_folds_threshold():
    same = np.array([True, False] * 10)
    fold = np.repeat(np.arange(10), 2)
    distance = np.where(same, 0.2, 0.8)
    assert kfold_accuracy(distance, same, fold) == (1.0, 0.0)
    distance[0] = 0.9  # one genuine pair is rejected: the accuracy of its fold is 1/2
    mean, error = kfold_accuracy(distance, same, fold)
    assert mean == pytest.approx(0.95) and error == pytest.approx(0.05)


def test_age_report_values():
    report = evaluate_age_estimates(
        np.array([20.0, 35, 62, 70]), np.array([18.0, 35, 55, 72]), (18, 29, 59)
    )
    assert report.mae == pytest.approx(11 / 4) and report.bias == pytest.approx(7 / 4)
    assert report.cumulative_score == {"1": 0.25, "3": 0.75, "5": 0.75, "10": 1.0}
    assert report.group_accuracy == 0.5  # 20 is not 18, 62 is not 55
    assert report.group_mae == {"0-18": 2.0, "30-59": 3.5, "60+": 2.0}
    with pytest.raises(DataError):
        evaluate_age_estimates(np.array([np.nan]), np.array([1.0]), (18,))


def test_clustered_bootstrap_interval_is_wider():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=40), 10)
    low, high = mean_ci95(values)
    wide = mean_ci95(values, np.repeat(np.arange(40), 10))
    assert low < values.mean() < high and wide[1] - wide[0] > 2 * (high - low)
    assert mean_ci95(values, seed=1) == mean_ci95(values, seed=1)

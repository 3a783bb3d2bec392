"""Verification and age figures against hand-computed ones."""

import numpy as np
import pytest

from ganzoo_core.errors import DataError
from ganzoo_core.metrics.ages import age_report
from ganzoo_core.metrics.bootstrap import mean_interval
from ganzoo_core.metrics.verification import Pairs, all_pairs, ten_fold, verify_people


def pairs(genuine, impostor):
    who = np.arange(len(genuine)), np.arange(len(impostor))
    return Pairs(np.array(genuine, float), np.array(impostor, float), *who)


def test_thresholds_and_rates_by_hand():
    p = pairs([0.1, 0.2, 0.3, 0.9], [0.25, 0.5, 0.6, 0.7, 0.8, 1.0, 1.1, 1.2, 1.3, 1.4])
    assert p.accuracy(0.3) == pytest.approx((3 / 4 + 9 / 10) / 2)
    assert p.accepted(0.2) == 0.5
    at = p.threshold_at(0.1)  # one impostor in ten may pass
    assert 0.25 <= at < 0.5 and (p.impostor <= at).sum() == 1
    assert p.accuracy(p.best_threshold()) == max(p.accuracy(t) for t in np.linspace(0, 2, 999))
    with pytest.raises(DataError, match=r"10 impostor pairs are too few .* at least 1,000"):
        p.threshold_at(1e-3)


def test_equal_distances_are_never_over_accepted():
    p = pairs([0.1], [0.5] * 10)
    assert (p.impostor <= p.threshold_at(0.5)).mean() <= 0.5


def test_every_pair_is_made_once():
    points = np.eye(5)[[0, 0, 1, 1, 2]]
    p = all_pairs(points, np.array([7, 7, 3, 3, 9]))
    assert len(p.genuine) == 2 and p.genuine.max() == 0
    assert len(p.impostor) == 10 - 2 and np.allclose(p.impostor, 2**0.5)
    result = verify_people(points, np.array([7, 7, 3, 3, 9]), 1.0)
    assert result.accuracy == 1 and result.interval == (1, 1) and result.people == 3
    assert result.tar == {}  # too few impostors for any rate


def test_many_impostors_are_drawn_the_same_way_each_time():
    rng = np.random.default_rng(0)
    points, who = rng.normal(size=(200, 4)), np.arange(200) // 4
    a, b = (all_pairs(points, who, seed=3, most=500) for _ in range(2))
    assert len(a.impostor) == 500 and np.array_equal(a.impostor, b.impostor)
    assert len(a.genuine) == 50 * 6
    far, tar = a.roc()
    assert (np.diff(far) >= 0).all() and tar[-1] == 1


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="make no pair of each kind"):
        all_pairs(np.eye(3), np.zeros(3))
    broken = np.eye(4)
    broken[2, 1] = np.nan
    with pytest.raises(DataError, match="1 of 4 embeddings are not finite, the first is number 2"):
        all_pairs(broken, np.array([0, 0, 1, 1]))


def test_ten_folds_take_the_threshold_of_the_others():
    same = np.array([True, False] * 10)
    fold = np.repeat(np.arange(10), 2)
    distance = np.where(same, 0.2, 0.8)
    assert ten_fold(distance, same, fold) == (1.0, 0.0)
    distance[0] = 0.9  # one genuine pair looks like two people: its fold loses half
    mean, error = ten_fold(distance, same, fold)
    assert mean == pytest.approx(0.95) and error == pytest.approx(0.05)


def test_ages_by_hand():
    report = age_report(np.array([20.0, 35, 62, 70]), np.array([18.0, 35, 55, 72]), (18, 29, 59))
    assert report.mae == pytest.approx(11 / 4) and report.bias == pytest.approx(7 / 4)
    assert report.within == {"1": 0.25, "3": 0.75, "5": 0.75, "10": 1.0}
    assert report.group_accuracy == 0.5  # 20 is not 18, 62 is not 55
    assert report.group_mae == {"0-18": 2.0, "30-59": 3.5, "60+": 2.0}
    with pytest.raises(DataError, match="not finite"):
        age_report(np.array([np.nan]), np.array([1.0]), (18,))


def test_an_interval_is_wider_where_a_person_counts_once():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=40), 10)
    low, high = mean_interval(values)
    wide = mean_interval(values, np.repeat(np.arange(40), 10))
    assert low < values.mean() < high and wide[1] - wide[0] > 2 * (high - low)
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1)

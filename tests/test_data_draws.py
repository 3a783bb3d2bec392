"""Batches: pure functions of their number, each kind with the evenness it promises."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from workbench import drawn

from ganzoo_core import Draw
from ganzoo_core.data import Batches
from ganzoo_core.data.draws import Balanced, Identities, Pairs, Shuffle, Stream, Weighted
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Batch

CPU = torch.device("cpu")
TASKS = Path("/proc/self/task")
FIELDS = ("image", "label", "age", "identity")
HOWS = ("shuffle", "balanced", "weighted", "identities", "pairs")


def batches(how, batch=8, images=None, place=(0, "gan"), **draw):
    draw = Draw(fields=FIELDS, how=how, **{"weights": (1, 2, 3), **draw})
    return Batches(images or drawn(), draw, batch, CPU, *place)


def rows(kind, number, n, images=None, **draw):
    return kind(images or drawn(), Draw(**draw), 0, "gan")(number, n)


def same(a, b):
    return all(torch.equal(getattr(a, f), getattr(b, f)) for f in FIELDS)


@pytest.mark.parametrize("how", HOWS)
def test_a_batch_is_a_function_of_its_number_alone(how):
    forward = batches(how)
    in_order = [forward(n) for n in range(12)]
    numbers = list(range(12))
    random.Random(0).shuffle(numbers)
    shuffled = batches(how)
    for number in numbers:
        again = shuffled(number)
        assert same(again, in_order[number])
        if how == "pairs":
            assert same(again.target, in_order[number].target)
    assert not same(in_order[0], in_order[1])


@pytest.mark.parametrize("how", HOWS)
def test_another_seed_or_stage_is_another_order(how):
    firsts = [batches(how, place=place)(0) for place in ((0, "a"), (1, "a"), (0, "b"))]
    assert not same(firsts[0], firsts[1]) and not same(firsts[0], firsts[2])


@pytest.mark.parametrize("n", [1, 3, 8, 40, 97])
def test_shuffle_shows_every_image_once_an_epoch(n):
    shuffle = Shuffle(drawn(), Draw(), 0, "gan")
    flat = torch.cat([shuffle(number, n)[0] for number in range(-(-120 // n))]).tolist()
    epochs = [flat[i : i + 40] for i in range(0, 120, 40)]
    assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_stream_runs_across_its_passes():
    stream = Stream(torch.arange(5), "x")
    whole = stream(0, 23)
    assert torch.equal(torch.cat([stream(0, 7), stream(7, 1), stream(8, 15)]), whole)


def test_balanced_shows_every_class_equally_often():
    images = drawn()
    assert len(set(images.info.counts)) > 1
    found = torch.cat([rows(Balanced, number, 8)[0] for number in range(9)])
    labels = Counter(images.label[found].tolist())
    assert set(labels.values()) == {24}
    rare = [i for i in found.tolist() if images.label[i] == 0]
    counts = Counter(rare).values()
    assert max(counts) - min(counts) <= 1


def test_pairs_show_every_ordered_pair_of_classes_equally_often():
    images = drawn()
    pairs = Counter()
    for number in range(9):
        source, target = rows(Pairs, number, 8)
        pairs.update(zip(images.label[source].tolist(), images.label[target].tolist(), strict=True))
    assert set(pairs.values()) == {12} and len(pairs) == 6
    assert all(s != t for s, t in pairs)


def test_pairs_may_be_named():
    images = drawn()
    for number in range(4):
        source, target = rows(Pairs, number, 6, pairs=((0, 1), (0, 2)))
        assert (images.label[source] == 0).all()
        assert images.label[target].tolist() == [1, 2] * 3
    with pytest.raises(DataError, match=r"no pair \(0, 3\), there are 3 classes"):
        batches("pairs", pairs=((0, 1), (0, 3)))


def test_weights_are_the_chances_of_the_classes():
    images = drawn()
    found = torch.cat([rows(Weighted, n, 64, weights=(1, 0, 3))[0] for n in range(60)])
    labels = Counter(images.label[found].tolist())
    assert labels[1] == 0 and 0.22 < labels[0] / len(found) < 0.28  # 1/4, deviation 0.007
    for label in (0, 2):
        mine = Counter(found[images.label[found] == label].tolist())
        assert len(mine) == images.info.counts[label]
        assert max(mine.values()) < 2 * min(mine.values())


@pytest.mark.parametrize("weights", [(), (1, 1), (0, 0, 0), (1, 1, -1), (1, 1, float("nan"))])
def test_weights_that_are_none(weights):
    with pytest.raises(DataError, match="give one for each, 0 or more"):
        batches("weighted", weights=weights)


def test_a_pairs_batch_carries_its_targets():
    batch = batches("pairs")(3)
    assert batch.target.image.shape == batch.image.shape == (8, 3, 16, 16)
    assert (batch.target.label != batch.label).all()
    assert batch.target.target is None


@pytest.mark.parametrize("per", [2, 3])
def test_identities_are_p_people_by_k_photographs(per):
    images = drawn(count=60, people=7)
    seen = Counter()
    for number in range(20):
        who = images.identity[rows(Identities, number, 3 * per, images, per_identity=per)[0]]
        people = who.reshape(3, per)
        assert (people == people[:, :1]).all()
        assert len(set(people[:, 0].tolist())) == 3
        seen.update(people[:, 0].tolist())
    assert len(seen) == 7 and min(seen.values()) >= 4


def test_photographs_of_a_person_differ_and_all_are_used():
    images = drawn(count=60, people=7)
    found = [rows(Identities, n, 6, images, per_identity=3)[0] for n in range(60)]
    assert all(len(set(batch.tolist())) == 6 for batch in found)
    assert len(set(torch.cat(found).tolist())) == 60


def test_people_with_one_photograph_are_left_out():
    images = drawn(count=9, people=7)  # only persons 0 and 1 have two
    who = images.identity[rows(Identities, 0, 8, images, per_identity=2)[0]]
    assert sorted(set(who.tolist())) == [0, 1]
    with pytest.raises(DataError, match="two people with two photographs"):
        batches("identities", images=drawn(count=8, people=7))


def test_an_empty_class_cannot_be_balanced():
    images = drawn(groups=(85, 90))  # nobody is older than 80
    for how in ("balanced", "pairs"):
        with pytest.raises(DataError, match=r"no image of 86-90, 91\+"):
            batches(how, images=images)
    with pytest.raises(DataError, match=r"no image of 86-90;"):
        batches("weighted", images=images, weights=(1, 1, 0))
    assert len(batches("weighted", images=images, weights=(1, 0, 0))(0)) == 8
    with pytest.raises(DataError, match=r"no image of 86-90;"):
        batches("pairs", images=images, pairs=((0, 1),))


def test_pairs_need_two_classes():
    images = drawn(count=4, groups=(90,))
    with pytest.raises(DataError):
        batches("pairs", images=images)


def test_a_draw_without_data_has_a_size_only():
    batch = Batches(None, Draw(how="none"), 5, CPU, 0)(2)
    assert len(batch) == 5 and batch.image is None
    with pytest.raises(DataError, match="no data"):
        Batches(None, Draw(), 5, CPU, 0)


def test_only_the_fields_asked_for_are_there():
    batch = Batches(drawn(), Draw(fields=("label",)), 4, CPU, 0)(0)
    assert batch.image is None and batch.age is None and batch.label.dtype == torch.int64


def test_one_slice_cuts_every_field():
    batch = batches("pairs")(0)
    batch = Batch(**{**vars(batch), "extra": {"w": torch.arange(8)}})
    part = batch[2:5]
    assert len(part) == 3 == len(part.target)
    assert torch.equal(part.image, batch.image[2:5]) and part.extra["w"].tolist() == [2, 3, 4]
    assert torch.equal(part.target.age, batch.target.age[2:5])
    assert len(batch[6:99]) == 2 and len(batch[::3]) == 3
    assert batch.to(CPU).identity.tolist() == batch.identity.tolist()


@pytest.mark.skipif(not TASKS.is_dir(), reason="counts threads as Linux lists them")
def test_a_new_order_starts_no_threads():
    """A team of torch's threads in the prefetch thread would halve the speed of training."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        stream = Stream(torch.arange(200_000), 0, "shuffle")
        with ThreadPoolExecutor(1) as prefetch:
            threads = prefetch.submit(lambda: len(list(TASKS.iterdir()))).result()
            prefetch.submit(stream, 199_990, 20).result()  # from one pass into the next
            assert len(list(TASKS.iterdir())) <= threads
    finally:
        torch.set_num_threads(before)

"""Batches are pure functions of their index; each sampler has the stated frequencies."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from training_helpers import make_images

from ganzoo_core.data import BatchLoader
from ganzoo_core.data.samplers import (
    ClassBalancedSampler,
    GroupPairSampler,
    IdentityPairSampler,
    PKSampler,
    RandomSampler,
    ShuffledStream,
    WeightedSampler,
)
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Batch, BatchSpec

CPU = torch.device("cpu")
THREADS_DIR = Path("/proc/self/task")
FIELDS = ("image", "label", "age", "identity")
SAMPLERS = ("random", "class_balanced", "weighted", "pk", "group_pairs", "identity_pairs")


def make_batches(sampler, batch_size=8, images=None, seed_and_stage=(0, "gan"), **spec_options):
    spec_options = BatchSpec(
        fields=FIELDS, sampler=sampler, **{"weights": (1, 2, 3), **spec_options}
    )
    return BatchLoader(images or make_images(), spec_options, batch_size, CPU, *seed_and_stage)


def sample_rows(sampler_class, batch_index, batch_size, images=None, **spec_options):
    return sampler_class(images or make_images(), BatchSpec(**spec_options), 0, "gan")(
        batch_index, batch_size
    )


def batches_equal(a, b):
    return all(torch.equal(getattr(a, f), getattr(b, f)) for f in FIELDS)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_batch_depends_only_on_index(sampler):
    forward = make_batches(sampler)
    in_order = [forward(n) for n in range(12)]
    numbers = list(range(12))
    random.Random(0).shuffle(numbers)
    shuffled = make_batches(sampler)
    for number in numbers:
        recomputed = shuffled(number)
        assert batches_equal(recomputed, in_order[number])
        if sampler.endswith("pairs"):
            assert batches_equal(recomputed.target, in_order[number].target)
    assert not batches_equal(in_order[0], in_order[1])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_order_depends_on_seed_and_stage(sampler):
    firsts = [
        make_batches(sampler, seed_and_stage=place)(0) for place in ((0, "a"), (1, "a"), (0, "b"))
    ]
    assert not batches_equal(firsts[0], firsts[1]) and not batches_equal(firsts[0], firsts[2])


def test_mirror_flips_half_of_the_images():
    """The flips are a function of the batch index, and the same for any number of ranks."""
    plain, mirrored = make_batches("random"), make_batches("random", mirror=True)
    flips = []
    for index in range(25):
        image, other = plain(index).image, mirrored(index).image
        is_flipped = (other == image.flip(3)).all((1, 2, 3))
        assert (is_flipped ^ (other == image).all((1, 2, 3))).all()
        flips.append(is_flipped)
    assert 0.4 < torch.cat(flips).float().mean() < 0.6
    spec = BatchSpec(fields=FIELDS, mirror=True)
    parts = [
        BatchLoader(make_images(), spec, 8, CPU, 0, "gan", rank=rank, world_size=2)(3).image
        for rank in range(2)
    ]
    assert torch.equal(torch.cat(parts), mirrored(3).image)


@pytest.mark.parametrize("n", [1, 3, 8, 40, 97])
def test_random_sampler_covers_epoch(n):
    shuffle = RandomSampler(make_images(), BatchSpec(), 0, "gan")
    flat = torch.cat([shuffle(number, n)[0] for number in range(-(-120 // n))]).tolist()
    epochs = [flat[i : i + 40] for i in range(0, 120, 40)]
    assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_stream_continues_across_epochs():
    stream = ShuffledStream(torch.arange(5), "x")
    whole = stream(0, 23)
    assert torch.equal(torch.cat([stream(0, 7), stream(7, 1), stream(8, 15)]), whole)


def test_class_balanced_sampler():
    images = make_images()
    assert len(set(images.info.class_counts)) > 1
    found = torch.cat([sample_rows(ClassBalancedSampler, number, 8)[0] for number in range(9)])
    labels = Counter(images.label[found].tolist())
    assert set(labels.values()) == {24}
    rare = [i for i in found.tolist() if images.label[i] == 0]
    counts = Counter(rare).values()
    assert max(counts) - min(counts) <= 1


def test_group_pairs_sampler_is_balanced():
    images = make_images()
    pairs = Counter()
    for number in range(9):
        source, target = sample_rows(GroupPairSampler, number, 8)
        pairs.update(zip(images.label[source].tolist(), images.label[target].tolist(), strict=True))
    assert set(pairs.values()) == {12} and len(pairs) == 6
    assert all(s != t for s, t in pairs)


def test_group_pairs_option():
    images = make_images()
    for number in range(4):
        source, target = sample_rows(GroupPairSampler, number, 6, pairs=((0, 1), (0, 2)))
        assert (images.label[source] == 0).all()
        assert images.label[target].tolist() == [1, 2] * 3
    with pytest.raises(DataError, match=r"\(0, 3\)"):
        make_batches("group_pairs", pairs=((0, 1), (0, 3)))


def test_weighted_sampler():
    images = make_images()
    found = torch.cat(
        [sample_rows(WeightedSampler, n, 64, weights=(1, 0, 3))[0] for n in range(60)]
    )
    labels = Counter(images.label[found].tolist())
    assert labels[1] == 0 and 0.22 < labels[0] / len(found) < 0.28  # 1/4, deviation 0.007
    for label in (0, 2):
        mine = Counter(found[images.label[found] == label].tolist())
        assert len(mine) == images.info.class_counts[label]
        assert max(mine.values()) < 2 * min(mine.values())


@pytest.mark.parametrize("weights", [(), (1, 1), (0, 0, 0), (1, 1, -1), (1, 1, float("nan"))])
def test_invalid_sampler_weights_refused(weights):
    with pytest.raises(DataError, match="weights"):
        make_batches("weighted", weights=weights)


def test_group_pairs_batch_has_targets():
    batch = make_batches("group_pairs")(3)
    assert batch.target.image.shape == batch.image.shape == (8, 3, 16, 16)
    assert (batch.target.label != batch.label).all()
    assert batch.target.target is None


@pytest.mark.parametrize("images_per_identity", [2, 3])
def test_pk_sampler(images_per_identity):
    k = images_per_identity
    images = make_images(num_images=60, num_identities=7)
    seen = Counter()
    for number in range(20):
        rows = sample_rows(PKSampler, number, 3 * k, images, images_per_identity=k)[0]
        people = images.identity[rows].reshape(3, k)
        assert (people == people[:, :1]).all()
        assert len(set(people[:, 0].tolist())) == 3
        seen.update(people[:, 0].tolist())
    assert len(seen) == 7 and min(seen.values()) >= 4


def test_pk_sampler_uses_all_images():
    images = make_images(num_images=60, num_identities=7)
    found = [sample_rows(PKSampler, n, 6, images, images_per_identity=3)[0] for n in range(60)]
    assert all(len(set(batch.tolist())) == 6 for batch in found)
    assert len(set(torch.cat(found).tolist())) == 60


def test_identity_pairs_sampler():
    """Two different images of one person; people, and ordered pairs of images, equally often."""
    images = make_images(num_images=21, num_identities=7)
    people, pairs = Counter(), Counter()
    for number in range(210):
        source, target = sample_rows(IdentityPairSampler, number, 10, images)
        assert (images.identity[source] == images.identity[target]).all()
        people.update(images.identity[source].tolist())
        pairs.update(zip(source.tolist(), target.tolist(), strict=True))
    assert set(people.values()) == {300}
    assert len(pairs) == 7 * 6 and all(s != t for s, t in pairs)
    assert min(pairs.values()) > 25 and max(pairs.values()) < 80  # 50 each, deviation 6.5


def test_pk_sampler_skips_single_image_identities():
    images = make_images(num_images=9, num_identities=7)  # only persons 0 and 1 have two
    who = images.identity[sample_rows(PKSampler, 0, 8, images, images_per_identity=2)[0]]
    assert sorted(set(who.tolist())) == [0, 1]
    for sampler in ("pk", "identity_pairs"):
        with pytest.raises(DataError, match="two people with two images"):
            make_batches(sampler, images=make_images(num_images=8, num_identities=7))


def test_empty_class_refused():
    images = make_images(age_bins=(85, 90))  # nobody is older than 80
    for sampler in ("class_balanced", "group_pairs"):
        with pytest.raises(DataError, match=r"86-90, 91\+"):
            make_batches(sampler, images=images)
    with pytest.raises(DataError, match=r"86-90;"):
        make_batches("weighted", images=images, weights=(1, 1, 0))
    assert len(make_batches("weighted", images=images, weights=(1, 0, 0))(0)) == 8
    with pytest.raises(DataError, match=r"86-90;"):
        make_batches("group_pairs", images=images, pairs=((0, 1),))


def test_group_pairs_need_two_classes():
    images = make_images(num_images=4, age_bins=(90,))
    with pytest.raises(DataError):
        make_batches("group_pairs", images=images)


def test_batch_without_data():
    batch = BatchLoader(None, BatchSpec(sampler="none"), 5, CPU, 0)(2)
    assert len(batch) == 5 and batch.image is None
    with pytest.raises(DataError, match="--data"):
        BatchLoader(None, BatchSpec(), 5, CPU, 0)


def test_batch_has_requested_fields_only():
    batch = BatchLoader(make_images(), BatchSpec(fields=("label",)), 4, CPU, 0)(0)
    assert batch.image is None and batch.age is None and batch.label.dtype == torch.int64


def test_batch_slicing():
    batch = make_batches("group_pairs")(0)
    batch = Batch(**{**vars(batch), "extra": {"w": torch.arange(8)}})
    part = batch[2:5]
    assert len(part) == 3 == len(part.target)
    assert torch.equal(part.image, batch.image[2:5]) and part.extra["w"].tolist() == [2, 3, 4]
    assert torch.equal(part.target.age, batch.target.age[2:5])
    assert len(batch[6:99]) == 2 and len(batch[::3]) == 3
    assert batch.to(CPU).identity.tolist() == batch.identity.tolist()


@pytest.mark.skipif(not THREADS_DIR.is_dir(), reason="needs /proc")
def test_new_epoch_starts_no_threads():
    """OpenMP threads of the prefetch thread halve the speed of training."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        stream = ShuffledStream(torch.arange(200_000), 0, "random")
        with ThreadPoolExecutor(1) as prefetch:
            threads = prefetch.submit(lambda: len(list(THREADS_DIR.iterdir()))).result()
            prefetch.submit(stream, 199_990, 20).result()  # across the end of an epoch
            assert len(list(THREADS_DIR.iterdir())) <= threads
    finally:
        torch.set_num_threads(before)

"""pix2pix and CycleGAN: data, losses, the image pool, `ganzoo translate`, and the checks of the
zoo."""

import threading

import numpy as np
import pytest
import torch
from ganzoo_image_translation.config import CycleGANConfig, MadePairsConfig, Pix2PixConfig
from ganzoo_image_translation.cyclegan import CycleGAN, ImagePool
from ganzoo_image_translation.made_pairs import MadePairs, draw_edges
from ganzoo_image_translation.networks import jitter_images
from ganzoo_image_translation.pix2pix import Pix2Pix
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo
from ganzoo_core.interfaces import SeededRng
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("pix2pix")
def test_conformance_of_pix2pix(check):
    check()


@parametrize_with_checks("cyclegan")
def test_conformance_of_cyclegan(check):
    check()


@parametrize_with_checks("made-pairs")
def test_conformance_of_made_pairs(check):
    check()


SMALL = {"g_channels": 2, "d_channels": 2, "d_layers": 2, "jitter": 0, "mirror": False}


def build_pix2pix(class_names=("gray", "image"), **options):
    torch.manual_seed(0)
    info = DataInfo(image_size=32, class_names=class_names)
    return Pix2Pix(Pix2PixConfig(**{**SMALL, **options}), info)


def build_cyclegan(class_names=("a", "b"), **options):
    torch.manual_seed(0)
    info = DataInfo(image_size=32, class_names=class_names)
    return CycleGAN(CycleGANConfig(**{**SMALL, "num_blocks": 1, "pool_size": 5, **options}), info)


class PoolContext(SeededRng):
    """The context of one rank of several threads, with the random numbers of the global batch."""

    def __init__(self, rank=0, size=1, gather=None):
        super().__init__(torch.device("cpu"), 0, shard=rank, num_shards=size)
        self.gather = gather or (lambda rank, value: value)
        self.rank = rank

    def all_gather_rows(self, value):
        return self.gather(self.rank, value)


def test_made_pairs_have_one_identity():
    data = MadePairs(
        MadePairsConfig(
            name="made-pairs", source="shapes", source_options={"count": 6}, image_size=16
        )
    )
    metadata = data.metadata()
    assert metadata.class_names == ("gray", "image")
    assert metadata.labels.tolist() == [0, 1] * 6
    assert metadata.identities.tolist() == [i // 2 for i in range(12)]
    gray, image = data.load_images([4, 5])
    assert np.array_equal(np.asarray(gray), np.asarray(data.load_image(4)))
    weights = np.array([0.299, 0.587, 0.114])
    assert np.abs(np.asarray(gray) - np.asarray(image) @ weights).max() <= 1


def test_edges_are_dark_where_gray_changes():
    gray = np.zeros((5, 6), np.float32)
    gray[:, 3:] = 100  # the gradient is 50 in the two columns beside the step
    edges = draw_edges(gray)
    assert edges.dtype == np.uint8 and (edges[:, 2:4] == 155).all() and (edges[:, 0] == 255).all()


def test_pix2pix_orders_each_pair_by_its_label():
    model = build_pix2pix()
    first, second = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    batch = Batch(
        size=2,
        image=first,
        label=torch.tensor([0, 1]),
        target=Batch(size=2, image=second, label=torch.tensor([1, 0])),
    )
    source, target = model.pairs(FakeStepContext(batch))
    assert torch.equal(source[0], first[0]) and torch.equal(source[1], second[1])
    assert torch.equal(target[0], second[0]) and torch.equal(target[1], first[1])
    reverse = build_pix2pix(source=1, target=0)
    assert torch.equal(reverse.pairs(FakeStepContext(batch))[0], target)


def test_jitter_moves_both_images_of_a_pair_alike():
    pair = torch.rand(6, 1, 16, 16).repeat(1, 2, 1, 1)
    moved = jitter_images(pair, SeededRng(torch.device("cpu"), 0), 4, True)
    torch.testing.assert_close(moved[:, 0], moved[:, 1])
    assert not torch.allclose(moved, pair)


def test_mirror_alone_flips_about_half_of_the_images():
    images = torch.rand(40, 1, 8, 8)
    moved = jitter_images(images, SeededRng(torch.device("cpu"), 0), 0, True)
    flipped = [torch.allclose(m, x.flip(2), atol=1e-5) for m, x in zip(moved, images, strict=True)]
    same = [torch.allclose(m, x, atol=1e-5) for m, x in zip(moved, images, strict=True)]
    assert sum(flipped) + sum(same) == 40 and 10 < sum(flipped) < 30


def test_pool_follows_the_algorithm_of_the_paper():
    """Against a list of images and the same random numbers."""
    pool, former = ImagePool(4, (1, 1, 1)), []
    ctx, reference = PoolContext(), SeededRng(torch.device("cpu"), 0)
    next_value = iter(range(1, 100))
    num_former = 0
    for _ in range(6):
        fakes = torch.tensor([float(next(next_value)) for _ in range(3)]).view(3, 1, 1, 1)
        expected = []
        for fake, (u, v, _) in zip(fakes.flatten().tolist(), reference.rand(3, 3), strict=True):
            if len(former) < 4:
                former.append(fake)
                expected.append(fake)
            elif u > 0.5:
                place = int(v * 4)
                expected.append(former[place])
                former[place] = fake
                num_former += 1
            else:
                expected.append(fake)
        assert pool.exchange(fakes, ctx).flatten().tolist() == expected
        assert pool.images.flatten()[: len(former)].tolist() == former
    assert num_former >= 3


def test_two_ranks_share_the_pool_to_the_bit():
    """Each rank has half of the batch; the pools and what D receives equal those of one rank."""
    fakes = [torch.randn(4, 3, 2, 2) for _ in range(5)]
    alone, ctx = ImagePool(6, (3, 2, 2)), PoolContext()
    expected = [alone.exchange(batch, ctx) for batch in fakes]
    barrier, shared = threading.Barrier(2), [None, None]

    def gather(rank, value):
        shared[rank] = value
        barrier.wait()
        rows = torch.cat(shared)
        barrier.wait()
        return rows

    pools, received = [ImagePool(6, (3, 2, 2)) for _ in range(2)], [[], []]

    def run(rank):
        ctx = PoolContext(rank, 2, gather)
        for batch in fakes:
            received[rank].append(pools[rank].exchange(batch[2 * rank : 2 * rank + 2], ctx))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert torch.equal(pools[0].images, alone.images)
    assert torch.equal(pools[1].images, alone.images)
    for first, second, whole in zip(*received, expected, strict=True):
        assert torch.equal(torch.cat([first, second]), whole)


def test_translation_directions():
    model = build_cyclegan(("a", "b", "c"), class_a=0, class_b=2).eval()
    image = torch.rand(2, 3, 32, 32)
    out = model.translate(image, torch.tensor([0, 2]))
    torch.testing.assert_close(out[0], model.to_a(image)[0])
    torch.testing.assert_close(out[1], model.to_b(image)[1])
    classes = torch.arange(3)
    can = model.supported_transitions(classes[:, None], classes[None])
    assert can.nonzero().tolist() == [[0, 2], [2, 0]]
    pix2pix = build_pix2pix()
    pairs = torch.arange(2)
    can = pix2pix.supported_transitions(pairs[:, None], pairs[None])
    assert can.nonzero().tolist() == [[0, 1]]


def test_wrong_data_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"the data have 1: --data made-pairs"):
        build_pix2pix(("a",))
    with pytest.raises(ValueError, match=r"the data have 1: --data unpaired-folder:PATH"):
        build_cyclegan(("a",))
    with pytest.raises(ValueError, match=r"model\.class_a"):
        build_cyclegan(("a", "b"), class_a=1)

"""InceptionResnetV1: exact counts, the published names, and the numbers of another build of it."""

import pytest
import torch
from ganzoo_facenet.inception import InceptionResnetV1
from ganzoo_facenet.model import FaceNet
from torch.nn import functional as F

from ganzoo_core import load
from ganzoo_core.cli.main import cli
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import save_tensors


def ganzoo(*words):
    """Call a verb in this process."""
    cli.main([str(word) for word in words], standalone_mode=False)


@pytest.fixture(scope="module")
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = InceptionResnetV1(classes=7)
        for module in made.modules():  # statistics and scales as after training, not 0 and 1
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                torch.nn.init.uniform_(module.weight, 0.7, 1.3)
    return made.eval()


@pytest.mark.parametrize(
    ("classes", "parameters", "tensors"),
    [(0, 23_482_624, 714), (8631, 27_910_327, 716), (10575, 28_907_599, 716)],
)
def test_counts_are_the_published_ones(classes, parameters, tensors):
    with torch.device("meta"):
        made = InceptionResnetV1(classes=classes)
    assert sum(p.numel() for p in made.parameters()) == parameters
    assert len(made.state_dict()) == tensors


def reference(state, image):
    """Compute the network from its state dict alone, layer by layer, by torch's functions."""

    def conv(x, name, stride=1, padding=0):
        x = F.conv2d(x, state[f"{name}.conv.weight"], None, stride, padding)
        stats = [state[f"{name}.bn.{key}"] for key in ("running_mean", "running_var")]
        scale = [state[f"{name}.bn.{key}"] for key in ("weight", "bias")]
        return F.relu(F.batch_norm(x, *stats, *scale, training=False, eps=0.001))

    def chain(x, name, *layers):
        for i, layer in enumerate(layers):
            x = conv(x, f"{name}.{i}", **layer)
        return x

    def join(x, name, branches, scale):
        out = F.conv2d(
            torch.cat(branches, 1), state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]
        )
        return out * scale + x

    p1, s2 = {"padding": 1}, {"stride": 2}
    x = (image * 127.5 + 127.5 - 127.5) / 128
    x = conv(conv(conv(x, "conv2d_1a", 2), "conv2d_2a"), "conv2d_2b", padding=1)
    x = conv(F.max_pool2d(x, 3, 2), "conv2d_3b")
    x = conv(conv(x, "conv2d_4a"), "conv2d_4b", 2)
    for i in range(5):
        n = f"repeat_1.{i}"
        parts = [
            conv(x, f"{n}.branch0"),
            chain(x, f"{n}.branch1", {}, p1),
            chain(x, f"{n}.branch2", {}, p1, p1),
        ]
        x = F.relu(join(x, n, parts, 0.17))
    x = torch.cat(
        [
            conv(x, "mixed_6a.branch0", 2),
            chain(x, "mixed_6a.branch1", {}, p1, s2),
            F.max_pool2d(x, 3, 2),
        ],
        1,
    )
    for i in range(10):
        n, wide, high = f"repeat_2.{i}", {"padding": (0, 3)}, {"padding": (3, 0)}
        parts = [conv(x, f"{n}.branch0"), chain(x, f"{n}.branch1", {}, wide, high)]
        x = F.relu(join(x, n, parts, 0.10))
    n = "mixed_7a"
    x = torch.cat(
        [
            chain(x, f"{n}.branch0", {}, s2),
            chain(x, f"{n}.branch1", {}, s2),
            chain(x, f"{n}.branch2", {}, p1, s2),
            F.max_pool2d(x, 3, 2),
        ],
        1,
    )
    for n, scale in [*((f"repeat_3.{i}", 0.20) for i in range(5)), ("block8", 1.0)]:
        wide, high = {"padding": (0, 1)}, {"padding": (1, 0)}
        parts = [conv(x, f"{n}.branch0"), chain(x, f"{n}.branch1", {}, wide, high)]
        x = join(x, n, parts, scale)
        x = x if n == "block8" else F.relu(x)
    x = x.mean((2, 3)) @ state["last_linear.weight"].T
    stats = [state[f"last_bn.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    return F.batch_norm(x, *stats, training=False, eps=0.001)


@torch.no_grad()
def test_it_computes_what_its_layers_say(net):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, 96, 96, generator=generator) * 2 - 1
    ours, theirs = net(image), reference(net.state_dict(), image)
    assert ours.shape == (2, 512) and ours.std() > 0.1
    assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_edges_are_those_of_the_paper(net):
    assert net.middle(torch.zeros(1, 3, 160, 160)).shape == (1, 896, 8, 8)
    assert net(torch.zeros(1, 3, 75, 75)).shape == (1, 512)


@pytest.mark.parametrize("classes", [0, 7])
def test_a_published_checkpoint_is_imported(tmp_path, net, classes):
    state = {k: v for k, v in net.state_dict().items() if classes or not k.startswith("logits.")}
    torch.save(state, tmp_path / "published.pt")
    ganzoo(
        "weights",
        "import",
        tmp_path / "published.pt",
        "--as",
        "facenet",
        "--out",
        tmp_path / "mine",
    )
    model = load(tmp_path / "mine", device="cpu")
    image = torch.rand(1, 3, 160, 160) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(model.embed(image), F.normalize(net(image)), atol=1e-6)
    assert model.input_size == 160 and hasattr(model.net, "logits") == bool(classes)


def test_a_checkpoint_of_another_network_names_the_key(tmp_path, net):
    state = dict(net.state_dict())
    state.pop("repeat_2.3.branch0.bn.running_var")
    save_tensors(tmp_path / "other.safetensors", state)
    with pytest.raises(WeightsError, match=r"repeat_2\.3\.branch0\.bn\.running_var"):
        ganzoo(
            "weights",
            "import",
            tmp_path / "other.safetensors",
            "--as",
            "facenet",
            "--out",
            tmp_path / "mine",
        )
    assert not (tmp_path / "mine").exists()


class Trap:
    """Would write a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_that_runs_code_is_refused_and_nothing_runs(tmp_path):
    torch.save({"last_linear.weight": Trap(str(tmp_path / "ran"))}, tmp_path / "evil.pt")
    with pytest.raises(WeightsError, match="nothing was run"):
        ganzoo(
            "weights", "import", tmp_path / "evil.pt", "--as", "facenet", "--out", tmp_path / "mine"
        )
    assert not (tmp_path / "ran").exists() and not (tmp_path / "mine").exists()


def test_small_pictures_are_refused():
    with pytest.raises(ValueError, match="75 px and more, not 64"):
        FaceNet.build(type("C", (), {"network": "inception"}), 64)

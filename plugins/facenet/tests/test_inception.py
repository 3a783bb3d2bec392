"""InceptionResnetV1: parameter counts, published names, and an independent implementation."""

import pytest
import torch
from ganzoo_facenet.inception import InceptionResnetV1
from ganzoo_facenet.model import FaceNet
from torch.nn import functional as F

from ganzoo_core import load
from ganzoo_core.cli.main import cli
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import save_tensors


def import_facenet(path, out):
    args = ["weights", "import", str(path), "--model", "facenet", "--out", str(out)]
    cli.main(args, standalone_mode=False)


@pytest.fixture(scope="module")
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = InceptionResnetV1(num_classes=7)
        for module in net.modules():  # statistics and scales as after training, not 0 and 1
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                torch.nn.init.uniform_(module.weight, 0.7, 1.3)
    return net.eval()


@pytest.mark.parametrize(
    ("num_classes", "num_parameters", "num_tensors"),
    [(0, 23_482_624, 714), (8631, 27_910_327, 716), (10575, 28_907_599, 716)],
)
def test_published_parameter_counts(num_classes, num_parameters, num_tensors):
    with torch.device("meta"):
        net = InceptionResnetV1(num_classes=num_classes)
    assert sum(p.numel() for p in net.parameters()) == num_parameters
    assert len(net.state_dict()) == num_tensors


def reference_forward(state, image):
    """Compute the network from its state dict with functions of torch."""

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
def test_forward_equals_reference(net):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, 96, 96, generator=generator) * 2 - 1
    embeddings, expected = net(image), reference_forward(net.state_dict(), image)
    assert embeddings.shape == (2, 512) and embeddings.std() > 0.1
    assert torch.allclose(embeddings, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_feature_map_sizes(net):
    assert net.intermediate_features(torch.zeros(1, 3, 160, 160)).shape == (1, 896, 8, 8)
    assert net(torch.zeros(1, 3, 75, 75)).shape == (1, 512)


@pytest.mark.parametrize("num_classes", [0, 7])
def test_import_published_checkpoint(tmp_path, net, num_classes):
    state = net.state_dict()
    if not num_classes:
        state = {k: v for k, v in state.items() if not k.startswith("logits.")}
    torch.save(state, tmp_path / "published.pt")
    import_facenet(tmp_path / "published.pt", tmp_path / "mine")
    model = load(tmp_path / "mine", device="cpu")
    image = torch.rand(1, 3, 160, 160) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(model.embed(image), F.normalize(net(image)), atol=1e-6)
    assert model.input_size == 160 and hasattr(model.net, "logits") == bool(num_classes)


def test_import_error_names_missing_key(tmp_path, net):
    state = dict(net.state_dict())
    state.pop("repeat_2.3.branch0.bn.running_var")
    save_tensors(tmp_path / "other.safetensors", state)
    with pytest.raises(WeightsError, match=r"repeat_2\.3\.branch0\.bn\.running_var"):
        import_facenet(tmp_path / "other.safetensors", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


class MaliciousPickle:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_malicious_pickle_is_not_executed(tmp_path):
    torch.save({"last_linear.weight": MaliciousPickle(str(tmp_path / "ran"))}, tmp_path / "evil.pt")
    with pytest.raises(WeightsError):
        import_facenet(tmp_path / "evil.pt", tmp_path / "mine")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "mine").exists()


def test_image_size_below_75_is_refused():
    with pytest.raises(ValueError, match=r"data\.image_size"):
        FaceNet.build_network(type("C", (), {"network": "inception"}), 64)

"""InceptionResnetV1 against its paper's blocks, written with functions of torch, and the counts of
the published checkpoints (timesler/facenet-pytorch); the triplet loss of FaceNet, equation 1."""

import pytest
import torch
from fidelity_helpers import assert_equals_formula, proves
from ganzoo_facenet.inception import InceptionResnetV1
from ganzoo_facenet.metric_losses import supcon_loss, triplet_loss
from torch.nn import functional as F
from torch.nn.functional import normalize


@proves("facenet", "counts")
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


@proves("facenet", "forward")
def test_network_equals_formula():
    torch.manual_seed(0)
    net = InceptionResnetV1().double()
    for module in net.modules():  # statistics and scales as after training, not 0 and 1
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
    image = torch.rand(1, 3, 80, 80).double() * 2 - 1
    assert_equals_formula(net.eval(), reference_forward, image)


@proves("facenet", "losses")
def test_losses_equal_formulas():
    """The triplet loss over all violating triplets; SupCon, equation 2, averaged over anchors."""
    torch.manual_seed(0)
    points = torch.randn(8, 4, requires_grad=True)
    x = normalize(points)
    people = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    is_same = people[:, None] == people
    others = ~torch.eye(8, dtype=torch.bool)
    distance = (x[:, None] - x).square().sum(2)
    violations = distance[:, :, None] - distance[:, None, :] + 0.2
    triplets = (is_same & others)[:, :, None] & ~is_same[:, None, :] & (violations > 0)
    assert_same_loss(triplet_loss(x, people, 0.2, "all")[0], violations[triplets].mean(), points)
    weights = torch.exp(x @ x.T / 0.5) * others
    log_share = x @ x.T / 0.5 - torch.log(weights.sum(1, keepdim=True))
    rows = [log_share[i][is_same[i] & others[i]].mean() for i in range(8)]
    assert_same_loss(supcon_loss(x, people, 0.5), -torch.stack(rows).mean(), points)


def assert_same_loss(ours, formula, x):
    torch.testing.assert_close(ours, formula, rtol=1e-5, atol=1e-6)
    gradients = [torch.autograd.grad(value, x, retain_graph=True)[0] for value in (ours, formula)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)

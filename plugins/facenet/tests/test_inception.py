"""InceptionResnetV1: published names and checkpoints."""

import pytest
import torch
from ganzoo_facenet.inception import InceptionResnetV1
from ganzoo_facenet.model import FaceNet
from torch.nn import functional as F

from ganzoo_core import load
from ganzoo_core.cli.main import cli
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


def test_import_error_names_missing_key(tmp_path, net, capfd):
    state = dict(net.state_dict())
    state.pop("repeat_2.3.branch0.bn.running_var")
    save_tensors(tmp_path / "other.safetensors", state)
    with pytest.raises(SystemExit, match="6"):
        import_facenet(tmp_path / "other.safetensors", tmp_path / "mine")
    assert "repeat_2.3.branch0.bn.running_var" in capfd.readouterr().err
    assert not (tmp_path / "mine").exists()


class MaliciousPickle:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_malicious_pickle_is_not_executed(tmp_path):
    torch.save({"last_linear.weight": MaliciousPickle(str(tmp_path / "ran"))}, tmp_path / "evil.pt")
    with pytest.raises(SystemExit, match="6"):
        import_facenet(tmp_path / "evil.pt", tmp_path / "mine")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "mine").exists()


def test_image_size_below_75_is_refused():
    with pytest.raises(ValueError, match=r"data\.image_size"):
        FaceNet.build_network(type("C", (), {"network": "inception"}), 64)

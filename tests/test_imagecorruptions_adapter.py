"""The adapter to the original package: its own functions, reproducible, without a trace in the libraries that it mends for it."""

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from corruption_reference import SEVERITIES, Replayed, apart, photos
from scipy import ndimage

from robustsuite import EvaluationError, UsageError
from robustsuite.corrupting import PROFILES
from robustsuite.corruptions import _imagecorruptions
from robustsuite.corruptions._imagecorruptions import NAMES, named
from robustsuite.numerics.random import image_keys, keyed
from robustsuite.roles import Levels

pytestmark = pytest.mark.skipif(find_spec("imagecorruptions") is None, reason="needs the package imagecorruptions")

every_name = pytest.mark.parametrize("name", NAMES)
RANDOM = {
    *("elastic_transform", "fog", "frost", "gaussian_noise", "glass_blur", "impulse_noise"),
    *("motion_blur", "shot_noise", "snow", "spatter", "speckle_noise"),
}


def images(count: int, height: int, width: int) -> Levels:
    return torch.from_numpy(photos(count, height, width).transpose(0, 3, 1, 2).copy())


def keyed_for(*names: str):
    return keyed(image_keys(names), 0, "adapter")


@cache
def package_as_installed() -> ModuleType:
    """The package imported by its own name, with the least that lets the import succeed."""
    patch = pytest.MonkeyPatch()
    stub = ModuleType("pkg_resources")
    vars(stub)["resource_filename"] = lambda module, path: str(Path(sys.modules[module].__file__ or "").parent / path)
    patch.setitem(sys.modules, "pkg_resources", stub)
    patch.setitem(sys.modules, "scipy.ndimage.interpolation", ndimage)
    import imagecorruptions

    patch.undo()
    return imagecorruptions


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    installed = package_as_installed()
    smooth = sys.modules["skimage.filters"].gaussian

    def gaussian(image: np.ndarray, sigma: float, multichannel: bool = False, **options):
        if multichannel:
            channels = [smooth(image[..., channel], sigma, **options) for channel in range(image.shape[-1])]
            return np.stack(channels, axis=-1)
        return smooth(image, sigma, **options)

    monkeypatch.setattr(installed.corruptions, "gaussian", gaussian)
    monkeypatch.setattr(np, "float_", np.float64, raising=False)
    return installed


def test_the_names_are_those_of_the_package(original: ModuleType) -> None:
    assert list(NAMES) == sorted(original.get_corruption_names("all"))


@every_name
def test_an_image_is_corrupted_as_by_the_package_right_after_seeding_numpy(original: ModuleType, name: str) -> None:
    if name == "impulse_noise":
        pytest.skip("the package draws from a generator that no seed reaches")
    given = images(2, 48, 64)
    state = np.random.get_state()
    for severity in SEVERITIES:
        found = named(name)(given, severity, Replayed(2), "imagenet")
        words = Replayed(2).integers(2**31).tolist()
        for row, photo in enumerate(given.permute(0, 2, 3, 1).numpy()):
            np.random.seed(words[row])
            with np.errstate(all="ignore"):
                expected = original.corrupt(photo, severity=severity, corruption_name=name)
            assert np.array_equal(found[row].permute(1, 2, 0).numpy(), expected)
    np.random.set_state(state)


def test_impulse_noise_strikes_the_published_share_half_black_half_white() -> None:
    grey = torch.full((2, 3, 128, 128), 100, dtype=torch.uint8)
    for severity, share in enumerate((0.03, 0.06, 0.09, 0.17, 0.27), start=1):
        found = named("impulse_noise")(grey, severity, keyed_for("one", "other"), "imagenet")
        assert set(found.unique().tolist()) == {0, 100, 255}
        struck = (found != 100).double().mean().item()
        assert struck == pytest.approx(share, abs=5 * (share / grey.numel()) ** 0.5)
        assert (found == 255).double().mean().item() / struck == pytest.approx(0.5, abs=0.05)


@every_name
def test_the_same_noise_gives_the_same_bits_in_any_batch_and_other_noise_others(name: str) -> None:
    one = images(1, 40, 32)
    several = one.expand(3, -1, -1, -1)
    corruption = named(name)
    found = corruption(several, 2, keyed_for("a", "b", "c"), "cifar")
    assert torch.equal(found, corruption(several, 2, keyed_for("a", "b", "c"), "cifar"))
    assert torch.equal(found[1:2], corruption(one, 2, keyed_for("b"), "cifar"))
    assert torch.equal(found[0], found[1]) != (name in RANDOM)


@every_name
def test_levels_come_out_of_levels_that_are_left_as_they_were(name: str) -> None:
    given = images(2, 36, 52)
    before = given.clone()
    found = named(name)(given, 5, keyed_for("a", "b"), "imagenet")
    assert torch.equal(given, before)
    assert (found.dtype, found.shape, found.is_contiguous()) == (torch.uint8, given.shape, True)
    assert not torch.equal(found, given)


def test_nothing_of_what_the_package_needs_is_left_behind(capsys: pytest.CaptureFixture[str]) -> None:
    _imagecorruptions.package.cache_clear()
    names = ("pkg_resources", "scipy.ndimage.interpolation", "imagecorruptions", "imagecorruptions.corruptions")
    modules, known, filters = {name: sys.modules.get(name) for name in names}, set(dir(np)), np.geterr()
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    for name in NAMES:
        for severity in SEVERITIES:
            named(name)(images(1, 33, 47), severity, keyed_for("a"), "imagenet")
    assert {name: sys.modules.get(name) for name in names} == modules
    assert (set(dir(np)), np.geterr()) == (known, filters)
    assert ndimage.interpolation is not None and "float_" not in vars(np)
    assert all(np.array_equal(now, before) for now, before in zip(np.random.get_state(), numpy_state, strict=True))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert capsys.readouterr().out == ""


def test_the_package_knows_no_profiles() -> None:
    given = images(1, 32, 32)
    found = [named("fog")(given, 3, keyed_for("a"), profile) for profile in PROFILES]
    assert all(torch.equal(other, found[0]) for other in found)


@pytest.mark.parametrize(("height", "width"), [(31, 224), (224, 31), (1, 1)])
def test_images_that_the_package_refuses_are_refused_in_one_sentence(height: int, width: int) -> None:
    with pytest.raises(EvaluationError, match=f"expected images of at least 32x32 pixels .* got {width}x{height}") as caught:
        named("contrast")(torch.zeros((1, 3, height, width), dtype=torch.uint8), 1, keyed_for("a"), "cifar")
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        UsageError, match=r"expected a corruption of the package imagecorruptions, got 'mist'; known: brightness, .* zoom_blur$"
    ):
        named("mist")


@pytest.mark.parametrize("missing", ["imagecorruptions", "cv2"])
def test_a_missing_package_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    _imagecorruptions.package.cache_clear()
    if missing == "cv2":
        monkeypatch.setitem(sys.modules, "cv2", None)
    else:
        monkeypatch.setattr(_imagecorruptions, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=f"expected the package imagecorruptions and what it needs, got .*{missing}.*; pip install"
    ) as caught:
        named("fog")
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert named("fog")


def test_frost_finds_the_packages_textures() -> None:
    found = named("frost")(torch.zeros((1, 3, 224, 224), dtype=torch.uint8), 3, keyed_for("a"), "imagenet")
    assert found.double().std() > 5


@pytest.mark.gpu
@every_name
def test_what_comes_from_a_gpu_goes_back_to_it(name: str) -> None:
    given = images(2, 32, 32)
    keys = image_keys(["a", "b"])
    here = named(name)(given, 3, keyed(keys, 0, "adapter"), "imagenet")
    there = named(name)(given.cuda(), 3, keyed(keys.cuda(), 0, "adapter"), "imagenet")
    assert there.is_cuda
    assert apart(here.numpy(), there.cpu().numpy()).max() == 0

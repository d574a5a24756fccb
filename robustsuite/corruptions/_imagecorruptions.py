"""The original package `imagecorruptions`, run as it is: `imagecorruptions:fog` is its own function.

Michaelis et al. 2019, arXiv:1907.07484; imagecorruptions 1.1.2 (bethgelab). It was written for older libraries: all that it
needs to work with those of today is in this file, and none of it shows outside.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import map_coordinates

from robustsuite.errors import EvaluationError, UsageError
from robustsuite.roles import Corruption, Levels, Noise

NAMES = (
    "brightness",
    "contrast",
    "defocus_blur",
    "elastic_transform",
    "fog",
    "frost",
    "gaussian_blur",
    "gaussian_noise",
    "glass_blur",
    "impulse_noise",
    "jpeg_compression",
    "motion_blur",
    "pixelate",
    "saturate",
    "shot_noise",
    "snow",
    "spatter",
    "speckle_noise",
    "zoom_blur",
)

SMALLEST = 32  # pixels: the package refuses images of a shorter side


def named(name: str) -> Corruption:
    """The package's function of this name as a corruption, on the CPU and one image at a time.

    What it draws is what it would draw right after `numpy.random.seed(word)`, with one word of the noise for each image; so
    it does for `impulse_noise`, which in the package no seed reaches. The profile is ignored: the package has the constants
    for 224 pixels, and takes them at any size.

    Raises `UsageError` for an unknown name, and where the package or a library that it needs is not installed.
    """
    if name not in NAMES:
        raise UsageError(f"expected a corruption of the package imagecorruptions, got {name!r}; known: {', '.join(NAMES)}")
    module = package()
    original = getattr(module, name)

    def corruption(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
        height, width = levels.shape[-2:]
        if min(height, width) < SMALLEST:
            raise EvaluationError(
                f"expected images of at least {SMALLEST}x{SMALLEST} pixels for the package imagecorruptions, got {width}x{height}"
            )
        photos = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        found = np.empty_like(photos)
        for row, seed in enumerate(noise.integers(2**31).tolist()):
            module.np.random = np.random.RandomState(seed)
            with np.errstate(all="ignore"):  # such as spatter's division by the maximum of a layer that is empty
                found[row] = np.asarray(original(Image.fromarray(photos[row]), severity)).astype(np.uint8)
        return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous().to(levels.device)

    return corruption


@cache
def package() -> ModuleType:
    """A private copy of the package's module, in which a few names stand for what its libraries once had.

    A copy, so that neither numpy nor the module that others import is touched: its `np` is its own, with a generator of
    its own in place of the global one.
    """
    try:
        folder = _folder()
        source = spec_from_file_location("imagecorruptions.corruptions", folder / "corruptions.py")
        assert source and source.loader
        module = module_from_spec(source)
        with _in_place_of_modules(
            {
                "pkg_resources": {"resource_filename": lambda _, path: str(folder / path)},  # gone from setuptools
                "scipy.ndimage.interpolation": {"map_coordinates": map_coordinates},  # deprecated by scipy
            }
        ):
            source.loader.exec_module(module)
    except ImportError as error:
        raise UsageError(f"expected the package imagecorruptions and what it needs, got {error}; pip install imagecorruptions") from error

    numpy = ModuleType("numpy")
    vars(numpy).update(vars(np), float_=np.float64)  # the name went with numpy 2
    smooth, color, random_noise = module.gaussian, module.sk.color, module.sk.util.random_noise

    def gaussian(*arguments: Any, multichannel: bool = False, **options: Any) -> np.ndarray:
        """Skimage's, with the option that `channel_axis` took the place of."""
        return smooth(*arguments, **options, **({"channel_axis": -1} if multichannel else {}))

    def seeded_random_noise(*arguments: Any, **options: Any) -> np.ndarray:
        """Skimage's, which draws from a generator of its own; here that is seeded by the image's."""
        return random_noise(*arguments, rng=numpy.random.randint(2**31), **options)

    skimage = SimpleNamespace(color=color, util=SimpleNamespace(random_noise=seeded_random_noise))
    vars(module).update(np=numpy, sk=skimage, gaussian=gaussian, print=lambda *words: None)  # it prints what it skips at odd sizes
    return module


def _folder() -> Path:
    found = find_spec("imagecorruptions")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("no module named 'imagecorruptions'")
    return Path(found.submodule_search_locations[0])


@contextmanager
def _in_place_of_modules(members: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Modules of these names and members for as long as the block lasts; then what was there before."""
    before = {name: sys.modules.get(name) for name in members}
    for name, held in members.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(held)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module

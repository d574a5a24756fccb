"""What all tests share: types checked at run time, a toy world of two colours, and the shared data where it is present."""

import os
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import settings
from toy import Toy

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests are many and small: threads would wait for each other longer than they work

jaxtyping.install_import_hook("robustsuite", "typechecking.checked")  # before anything of the package is imported

settings.register_profile("ci", derandomize=True)  # a CI run must not flip; new examples are found on people's machines
if os.environ.get("CI"):
    settings.load_profile("ci")

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("ROBUSTSUITE_SHARED", ROOT.parent / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and this machine has none"))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real images and weights; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the project's shared images at {SHARED} (set ROBUSTSUITE_SHARED to where they are)")
    return SHARED


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A folder with a suite, a file of models and 12 images that any of them can be judged on."""
    return Toy(tmp_path)

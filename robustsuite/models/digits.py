"""The two bundled classifiers of the data set `digits`: one trained as usual, one against an attacker.

`benchmarks/train_digits.py` trained both on `robustsuite.datasets.digits.training_images`, and writes their weights again.
"""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from robustsuite.errors import UsageError
from robustsuite.models._digits_network import DigitsNetwork

NAMES = ("digits-standard", "digits-robust")
FORM = "digits-standard or digits-robust"
WEIGHTS = Path(__file__).parent / "weights"


def accepts(reference: str) -> bool:
    """Whether this is the name of a bundled classifier."""
    return reference in NAMES


def load(reference: str) -> tuple[nn.Module, None]:
    """The classifier on the CPU, for evaluation. It takes the images of `digits` as they are, so it has no preprocessing."""
    if not accepts(reference):
        raise UsageError(f"expected the model {FORM}, got {reference!r}")
    network = DigitsNetwork()
    network.load_state_dict(load_file(WEIGHTS / f"{reference}.safetensors"))
    return network.eval(), None

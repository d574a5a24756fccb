"""What a GPU would be asked to do, counted without one."""

from collections.abc import Callable

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from robustsuite.numerics import placement

# Operations that only look at memory differently, or reserve some; the rest launch a kernel, or copy.
NOT_LAUNCHED = (
    "view", "_unsafe_view", "slice", "expand", "alias", "select", "unsqueeze", "squeeze", "permute", "transpose", "detach", "split", "t",
    "as_strided", "unbind", "unfold", "empty", "empty_like", "empty_strided", "new_empty", "lift_fresh", "diagonal", "view_as_real",
    "_reshape_alias", "_conj", "view_as_complex",
)  # fmt: skip
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")


class Counted(TorchDispatchMode):
    """The names of the operations that are run while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations.append(str(func).removeprefix("aten.").split(".")[0])
        return func(*args, **(kwargs or {}))


def launched(work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that a GPU would launch for `work`, walked as on a GPU; what is made once, such as tables, is made before.

    Fails where the host would wait for a number from the device.
    """
    with monkeypatch.context() as patch:
        patch.setattr(placement, "HOSTS", frozenset())
        work()
        with Counted() as counted:
            work()
    waits = [name for name in counted.operations if name in WAITS]
    assert not waits, f"the host waits for the device: {waits}"
    return [name for name in counted.operations if name not in NOT_LAUNCHED]

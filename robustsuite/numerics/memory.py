"""Memory that is freed and wanted again at once."""

from functools import cache

import torch


@cache
def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next allocation, instead of returning it to the system. Once a process.

    A batch's activations are freed and allocated anew for every condition. GNU's allocator returns what exceeds a limit to
    the system, page by page, and every page comes back zeroed by a fault: half the time of a small network on a CPU. The
    limit follows the largest block ever freed (up to 32 MiB; twice that is kept), so that one block, never touched, sets it.
    Other C libraries do not mind. Measured in `benchmarks/results.md`.
    """
    torch.empty((32 << 20) - (64 << 10), dtype=torch.uint8)

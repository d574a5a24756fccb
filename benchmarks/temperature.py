"""How fast and how exact temperature scaling is, against netcal and L-BFGS.

    python benchmarks/temperature.py [--repeats 7] [--peers FOLDER]

5,000 images, 1,000 classes, float32 logits of which labels were drawn at temperature 2; one thread, CPU seconds, all solvers taken in
turn. `--peers` is a folder that packages are looked for in, where netcal is not installed; without it netcal's line is left out.
netcal is given float64 probabilities, whose computation is not timed: on float32 it returns T = 1. Prints a table in Markdown.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before numpy is imported

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO

import numpy as np
import torch
from scipy.optimize import root_scalar
from scipy.special import softmax

from robustsuite.recalibration.temperature import temperature

IMAGES, CLASSES, TRUE = 5000, 1000, 2.0
SPEED_UP = 10  # at least
ERROR = 1e-8  # relative, at most


def logits_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """Float32 logits that are `TRUE` times too large, and labels drawn from what they should be."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1, (IMAGES, CLASSES))
    logits[np.arange(IMAGES), generator.integers(0, CLASSES, IMAGES)] += generator.gamma(4, 2, IMAGES)
    labels = (softmax(logits, axis=1).cumsum(axis=1) < generator.uniform(size=(IMAGES, 1))).sum(axis=1)
    return (TRUE * logits).astype(np.float32), labels.clip(max=CLASSES - 1)


def best(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature at which the slope of the loss changes its sign, to the last digits of float64."""
    exact = logits.astype(np.float64)
    true = exact[np.arange(len(labels)), labels]

    def slope(logarithm: float) -> float:
        return float(((softmax(np.exp(logarithm) * exact, axis=1) * exact).sum(axis=1) - true).mean())

    return float(np.exp(-root_scalar(slope, bracket=(-5, 5), xtol=1e-15, rtol=1e-15).root))


def ours(logits: np.ndarray, labels: np.ndarray) -> float:
    return temperature(logits, labels).value


def l_bfgs(logits: torch.Tensor, labels: torch.Tensor, **tolerances: float) -> float:
    """L-BFGS of torch with a line search on log T, which cannot become negative; with its own tolerances, or these."""
    logarithm = torch.zeros((), dtype=logits.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithm], lr=1, max_iter=100, line_search_fn="strong_wolfe", **tolerances)  # pyright: ignore

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits / logarithm.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    return float(logarithm.detach().exp())


def l_bfgs_on_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The recipe that is copied most: L-BFGS on T from 1.5, rate 0.01, 50 iterations, no line search."""
    value = torch.full((1,), 1.5, requires_grad=True)
    optimizer = torch.optim.LBFGS([value], lr=0.01, max_iter=50)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits / value, labels)
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    return float(value.detach())


def netcal(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Its weight multiplies logits."""
    from netcal.scaling import TemperatureScaling

    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        fitted = TemperatureScaling()
        fitted.fit(probabilities, labels)
    return 1 / float(np.asarray(fitted.temperature).ravel()[0])


def seconds(job: Callable[[], float]) -> tuple[float, float]:
    """Of CPU, and what the job returned."""
    begun = time.process_time()
    found = job()
    return time.process_time() - begun, found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peers", default="")
    options = parser.parse_args()
    if options.peers:
        sys.path.append(options.peers)
    torch.set_num_threads(1)
    logits, labels = logits_and_labels()
    tensors = torch.from_numpy(logits), torch.from_numpy(labels)
    jobs: dict[str, Callable[[], float]] = {
        "ours": lambda: ours(logits, labels),
        "L-BFGS on log T (torch), which stops early": lambda: l_bfgs(*tensors),
        "L-BFGS on log T (torch), float64, to 1e-8": lambda: l_bfgs(
            tensors[0].double(), tensors[1], tolerance_grad=1e-9, tolerance_change=1e-12
        ),
        "L-BFGS on T, the usual recipe (torch)": lambda: l_bfgs_on_temperature(*tensors),
    }
    if find_spec("netcal"):
        probabilities = softmax(logits.astype(np.float64), axis=1)
        jobs["netcal, float64"] = lambda: netcal(probabilities, labels)
    expected = best(logits, labels)
    for job in jobs.values():
        job()  # to warm up
    rounds = [{name: seconds(job) for name, job in jobs.items()} for _ in range(options.repeats)]
    print(f"{IMAGES} x {CLASSES} float32 logits, one thread, median of {options.repeats}; the best T is {expected:.12f}\n")
    print("| solver | T | relative error | CPU, s | times ours (all rounds) |\n| --- | --: | --: | --: | --: |")
    met = True
    for name in jobs:
        ratios = sorted(each[name][0] / each["ours"][0] for each in rounds)
        typical, error = statistics.median(each[name][0] for each in rounds), abs(rounds[0][name][1] / expected - 1)
        told = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        print(f"| {name} | {rounds[0][name][1]:.9f} | {error:.1e} | {typical:.3f} | {told} |")
        met &= error <= ERROR if name == "ours" else statistics.median(ratios) >= SPEED_UP
    print(f"\nwanted: an error of at most {ERROR:g}, and every other at least {SPEED_UP} times as long: {'met' if met else 'NOT MET'}")

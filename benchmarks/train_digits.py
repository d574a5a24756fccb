"""Train the two bundled digit classifiers, write their weights, and report how well they stand: `python benchmarks/train_digits.py`.

Both see the train split alone, for a fixed number of epochs; the test split is only reported on. `digits-robust` is trained
against projected gradient descent (Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks") and
on the common corruptions in the strengths of CIFAR-10-C (Hendrycks & Dietterich 2019). On one CPU core; the same command
writes the same bytes again on the same machine.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from hashlib import sha256
from time import perf_counter
from timeit import repeat

import numpy as np
import torch
from safetensors.torch import save
from torch import Generator, Tensor, nn
from torch.nn import functional

from robustsuite.datasets.digits import digits, training_images
from robustsuite.models._digits_network import DigitsNetwork
from robustsuite.models.digits import WEIGHTS
from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Labels

SEED = 0
BATCH = 100  # images
LEARNING_RATE = 5e-3  # Adam's, at its peak
WEIGHT_DECAY = 1e-3
STANDARD_EPOCHS = 60
ROBUST_EPOCHS = 150
ROBUST_LINF = 32 / 255
ROBUST_L2 = 2.0
ROBUST_STEPS = 5
AVERAGING = 0.99  # of the moving average of the robust weights, per step

LINF_LEVELS = (2, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48)  # of 255
L2_RADII = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


# ------------------------------------------------------------------------------------------------------------ pictures


def drawn(generator: Generator, count: int, low: float, high: float) -> Tensor:
    """float32 `[count, 1, 1, 1]`, uniform in [low, high)."""
    return torch.empty(count, 1, 1, 1).uniform_(low, high, generator=generator)


def jittered(images: Images, generator: Generator) -> Images:
    """Each image turned by up to 10 degrees, scaled by up to 10 % and shifted by up to 2 pixels; black flows in."""
    angle, scale = (drawn(generator, len(images), -1, 1).flatten() * (torch.pi / 18), drawn(generator, len(images), 0.9, 1.1).flatten())
    shift = drawn(generator, 2 * len(images), -2, 2).view(-1, 2) / 16  # half the side is 1
    rows = torch.stack([scale * angle.cos(), -scale * angle.sin(), shift[:, 0], scale * angle.sin(), scale * angle.cos(), shift[:, 1]], 1)
    grid = functional.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def noisy(images: Images, generator: Generator, deviation: float | Tensor) -> Images:
    """White Gaussian noise, then clipped."""
    return (images + deviation * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def brighter(images: Images, amount: float | Tensor) -> Images:
    """Light added to every pixel, then clipped."""
    return (images + amount).clamp(0, 1)


def contrasted(images: Images, factor: float | Tensor) -> Images:
    """Every pixel's distance to its image's mean, times the factor."""
    mean = images.mean((2, 3), keepdim=True)
    return ((images - mean) * factor + mean).clamp(0, 1)


def blurred(images: Images, radius: float) -> Images:
    """Mean over a disk of this radius in pixels, with a soft edge; borders mirrored."""
    reach = int(np.ceil(radius))
    axis = torch.arange(-reach, reach + 1).float()
    disk = (radius + 0.5 - (axis[:, None].square() + axis.square()).sqrt()).clamp(0, 1)
    kernel = (disk / disk.sum()).expand(3, 1, -1, -1)
    return functional.conv2d(functional.pad(images, [reach] * 4, mode="reflect"), kernel, groups=3)


def corrupted(images: Images, generator: Generator) -> Images:
    """Each image under one of four corruptions, in a strength from none to a little more than CIFAR-10-C's fifth."""
    count = len(images)
    kind = torch.randint(4, (count, 1, 1, 1), generator=generator)
    versions = (
        noisy(images, generator, drawn(generator, count, 0, 0.2)),
        brighter(images, drawn(generator, count, 0, 0.4)),
        contrasted(images, drawn(generator, count, 0.1, 1)),
        blurred(images, float(drawn(generator, 1, 0.5, 3))),
    )
    return sum((version * (kind == number) for number, version in enumerate(versions)), torch.zeros_like(images))


# ------------------------------------------------------------------------------------------------------------- attacks


def loss_gradient(network: nn.Module, points: Images, labels: Labels) -> Images:
    """The gradient of each image's cross-entropy with respect to its pixels."""
    points = points.detach().requires_grad_()
    return torch.autograd.grad(functional.cross_entropy(network(points), labels, reduction="sum"), points)[0]


def attacked_linf(
    network: nn.Module, images: Images, labels: Labels, generator: Generator, epsilon: float, steps: int, stride: float, start: float = 1
) -> Images:
    """Projected gradient descent in the L-inf ball; `stride` is a step's length, `start` the share of `epsilon` it may start off."""
    points = images + start * epsilon * (2 * torch.rand(images.shape, generator=generator) - 1)
    for _ in range(steps):
        points = points.clamp(0, 1)
        points = points + stride * loss_gradient(network, points, labels).sign()
        points = images + (points - images).clamp(-epsilon, epsilon)
    return points.clamp(0, 1).detach()


def length(change: Images) -> Tensor:
    """Each image's Euclidean length `[batch, 1, 1, 1]`, kept above 0 so that one may divide by it."""
    return torch.linalg.vector_norm(change, dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)


def attacked_l2(network: nn.Module, images: Images, labels: Labels, epsilon: float, steps: int, stride: float) -> Images:
    """Projected gradient descent in the L2 ball from the image itself; `stride` is the length of a step."""
    points = images
    for _ in range(steps):
        gradient = loss_gradient(network, points, labels)
        points = points + stride * gradient / length(gradient)
        change = points - images
        points = (images + change * (epsilon / length(change)).clamp_max(1)).clamp(0, 1)
    return points.detach()


# ------------------------------------------------------------------------------------------------------------ training


def train(epochs: int, batch_of: Callable[[nn.Module, Images, Labels, Generator], tuple[Images, Labels]]) -> nn.Module:
    """A network trained on what `batch_of` makes of each batch, with a one-cycle learning rate; its averaged weights."""
    torch.manual_seed(SEED)
    generator = Generator().manual_seed(SEED)
    levels, digit = training_images()
    images, labels = to_unit(torch.from_numpy(levels)), torch.from_numpy(digit)
    network = DigitsNetwork()
    average = deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * (len(images) // BATCH))
    for _ in range(epochs):
        for rows in torch.randperm(len(images), generator=generator).split(BATCH):
            shown, answers = batch_of(network, jittered(images[rows], generator), labels[rows], generator)
            optimizer.zero_grad()
            functional.cross_entropy(network(shown), answers).backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
                    mean.lerp_(weight, 1 - AVERAGING)
    return average.eval()


def as_usual(network: nn.Module, images: Images, labels: Labels, generator: Generator) -> tuple[Images, Labels]:
    """The batch as it is."""
    return images, labels


def against_an_attacker(network: nn.Module, images: Images, labels: Labels, generator: Generator) -> tuple[Images, Labels]:
    """The batch attacked, one half in L-inf and the other in L2, and once more corrupted."""
    half = len(images) // 2
    linf_stride, l2_stride = (2.5 * epsilon / ROBUST_STEPS for epsilon in (ROBUST_LINF, ROBUST_L2))
    linf = attacked_linf(network, images[:half], labels[:half], generator, ROBUST_LINF, ROBUST_STEPS, linf_stride)
    l2 = attacked_l2(network, images[half:], labels[half:], ROBUST_L2, ROBUST_STEPS, l2_stride)
    return torch.cat([linf, l2, corrupted(images, generator)]), torch.cat([labels, labels])


# -------------------------------------------------------------------------------------------------------------- report


def accuracy(network: nn.Module, images: Images, labels: Labels) -> float:
    """The share of images that are classified rightly."""
    with torch.no_grad():
        return (network(images).argmax(1) == labels).float().mean().item()


def shown_in_a_run() -> dict[str, tuple[Images, Labels]]:
    """The calibration and the judged images of the data set."""
    dataset = digits()
    levels = np.stack([np.asarray(dataset.read(index)).transpose(2, 0, 1) for index in range(len(dataset.ids))])
    calibration = np.isin(np.arange(len(dataset.ids)), dataset.calibration)
    return {
        part: (to_unit(torch.from_numpy(levels[rows])), torch.from_numpy(dataset.labels[rows]))
        for part, rows in (("calibration", calibration), ("test", ~calibration))
    }


def views(network: nn.Module, images: Images, labels: Labels) -> dict[str, Callable[[], Images]]:
    """What a network is reported under, by name; made when called, for an attack takes its time."""
    generator = Generator().manual_seed(SEED + 1)
    linf = partial(attacked_linf, network, images, labels, generator)
    l2 = partial(attacked_l2, network, images, labels)
    return {
        "clean": lambda: images,
        "gaussian noise .1": partial(noisy, images, generator, 0.1),
        "brightness +.3": partial(brighter, images, 0.3),
        "contrast x.4": partial(contrasted, images, 0.4),
        "contrast x.15": partial(contrasted, images, 0.15),
        "blur radius 1.5": partial(blurred, images, 1.5),
        "blur radius 3": partial(blurred, images, 3),
        # FGSM is one whole step from the image itself.
        **{f"fgsm linf {level}/255": partial(linf, level / 255, 1, level / 255, start=0) for level in LINF_LEVELS},
        **{f"pgd-20 linf {level}/255": partial(linf, level / 255, 20, level / 255 / 8) for level in LINF_LEVELS},
        **{f"pgd-20 l2 {radius:g}": partial(l2, radius, 20, radius / 8) for radius in L2_RADII},
    }


def milliseconds(job: Callable[[], object]) -> float:
    """How long the job takes: the best of five means over twenty."""
    return 1000 * min(repeat(job, number=20, repeat=5)) / 20


def main() -> None:
    """Train both, write both, and print the tables."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    WEIGHTS.mkdir(exist_ok=True)
    networks = {}
    for name, epochs, batch_of in (
        ("digits-standard", STANDARD_EPOCHS, as_usual),
        ("digits-robust", ROBUST_EPOCHS, against_an_attacker),
    ):
        began = perf_counter()
        networks[name] = train(epochs, batch_of)
        path = WEIGHTS / f"{name}.safetensors"
        path.write_bytes(save(networks[name].state_dict()))
        print(f"{name}: {perf_counter() - began:.0f} s, {path.stat().st_size:,} bytes, sha256 {sha256(path.read_bytes()).hexdigest()}")
        some, any_labels = torch.full((64, 3, 32, 32), 0.5), torch.zeros(64, dtype=torch.int64)
        forward = milliseconds(partial(accuracy, networks[name], some, any_labels))
        both = milliseconds(partial(loss_gradient, networks[name], some, any_labels))
        print(f"{name}: 64 images forward {forward:.1f} ms, forward and backward {both:.1f} ms")
    for part, (images, labels) in shown_in_a_run().items():
        print(f"\naccuracy on {len(labels)} {part} images, %".ljust(44) + "".join(f"{name:>18}" for name in networks))
        versions = [views(network, images, labels) for network in networks.values()]
        for view in versions[0]:
            shares = [accuracy(network, made[view](), labels) for network, made in zip(networks.values(), versions, strict=True)]
            print(view.ljust(43) + "".join(f"{100 * share:18.1f}" for share in shares), flush=True)


if __name__ == "__main__":
    main()

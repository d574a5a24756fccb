"""Norm balls around images: size, steepest direction, projection, random points. Every image for itself."""

import torch
from torch import Tensor

from robustsuite.records import Norm, ThreatModel
from robustsuite.roles import Images, Noise, PerImage

TINY = 1e-12  # keeps a zero change zero instead of NaN
LEAST = torch.finfo(torch.float32).tiny  # the same for gradients, which may be far smaller and still have a direction
HALVINGS = 30  # of the interval in which the threshold of an L1 projection lies; float32 tells no more apart


def size(changes: Images, norm: Norm) -> PerImage:
    """The norm of each change; for L0, the number of pixels (not channels) that differ; 0 for `spatial`, which pixels do not tell."""
    flat = changes.flatten(1)
    match norm:
        case "linf":
            return flat.abs().amax(dim=1)
        case "l2":
            return flat.square().sum(dim=1).sqrt()
        case "l1":
            return flat.abs().sum(dim=1)
        case "l0":
            return (changes != 0).any(dim=1).flatten(1).sum(dim=1).to(changes.dtype)
        case "spatial":
            return flat.new_zeros(len(flat))


def dual_size(gradients: Images, norm: Norm) -> PerImage:
    """How much a linear function with this gradient rises at most per unit of the norm (not L0): its L1, L2 or L-infinity size."""
    match norm:
        case "linf":
            return size(gradients, "l1")
        case "l2":
            return size(gradients, "l2")
        case "l1":
            return size(gradients, "linf")
        case _:
            raise NotImplementedError("L0 has no dual: a single pixel may change as much as the box allows")


def steepest(gradient: Images, norm: Norm) -> Images:
    """The direction of size 1 along which a linear function with this gradient rises most: its sign, or itself over its length."""
    match norm:
        case "linf":
            return gradient.sign()
        case "l2":
            # Two divisions, because the square of a small gradient is 0 in float32.
            gradient = gradient / size(gradient, "linf").clamp(min=LEAST).view(-1, 1, 1, 1)
            return gradient / size(gradient, "l2").clamp(min=TINY).view(-1, 1, 1, 1)
        case _:
            raise NotImplementedError(f"no steepest direction for the norm {norm}")


def take_back(points: Images, clean: Images, threat: ThreatModel) -> Images:
    """The points moved into the ball around `clean` and then into [0, 1], which never leaves the ball again.

    The exact projection onto ball and box together for L-infinity, L1 and L0; for L2 the projection onto the ball, then onto
    the box.
    """
    epsilon = float(threat.epsilon)
    match threat.norm:
        case "linf":
            return points.clamp(clean - epsilon, clean + epsilon).clamp(0, 1)
        case "l2":
            change = points - clean
            scale = (epsilon / size(change, "l2").clamp(min=TINY)).clamp(max=1).view(-1, 1, 1, 1)
            return (clean + change * scale).clamp(0, 1)
        case "l1":
            return into_l1(points, clean, torch.full_like(points[:, 0, 0, 0], epsilon))
        case "l0":
            return _into_l0(points, clean, int(epsilon))
        case "spatial":
            return points.clamp(0, 1)


def into_l1(points: Images, clean: Images, radius: PerImage) -> Images:
    """The nearest points with an L1 change of at most `radius` and values in [0, 1].

    Croce & Hein 2021, arXiv:2103.01208, section 3.1: every change is made smaller by the same threshold, but stays between 0 and
    the box. The threshold is found by halving instead of sorting, as the size of what it leaves falls with it. No rounding takes
    a point beyond its radius.
    """
    flat = clean.flatten(1)
    change = points.flatten(1) - flat
    height, room = change.abs(), torch.where(change > 0, 1 - flat, flat)

    def left(threshold: PerImage) -> Tensor:
        return (height - threshold[:, None]).clamp_(min=0).minimum(room)

    def inside(threshold: PerImage) -> Tensor:
        return left(threshold).sum(dim=1, dtype=torch.float64) <= radius

    low, high = torch.zeros_like(radius), height.amax(dim=1)
    high = torch.where(inside(low), low, high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = inside(middle)
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    kept = left(high)
    moved = flat + kept.copysign(change)
    beyond = (moved.double() - flat).abs() > kept
    return torch.where(beyond, moved.nextafter(flat), moved).view_as(points)


def _into_l0(points: Images, clean: Images, pixels: int) -> Images:
    """The nearest points with at most so many pixels changed and values in [0, 1]: the pixels kept are those worth the most."""
    boxed = points.clamp(0, 1)
    worth = ((boxed - clean) * (2 * points - boxed - clean)).sum(dim=1)  # the squared distance spared by keeping a pixel
    if pixels >= worth[0].numel():
        return boxed
    chosen = worth.flatten(1).topk(pixels, dim=1).indices
    kept = torch.zeros_like(worth, dtype=torch.bool).flatten(1).scatter_(1, chosen, True).view_as(worth)
    return torch.where(kept[:, None], boxed, clean)


def random_point(images: Images, threat: ThreatModel, noise: Noise) -> Images:
    """A change drawn from the ball: uniform for L-infinity; for L2 a uniform direction with a uniform length.

    For L1 normal numbers projected onto ball and box, so that few pixels differ (Croce & Hein 2021, arXiv:2103.01208).
    """
    shape = images.shape[1:]
    epsilon = float(threat.epsilon)
    match threat.norm:
        case "linf":
            return (2 * noise.uniform(*shape) - 1) * epsilon
        case "l2":
            return steepest(noise.normal(*shape), "l2") * noise.uniform(1, 1, 1) * epsilon
        case "l1":
            return take_back(images + noise.normal(*shape), images, threat) - images
        case _:
            raise NotImplementedError(f"no random point for the norm {threat.norm}")

"""Norm balls around images: size, steepest direction, projection, random points. Every image for itself."""

from robustsuite.records import Norm, ThreatModel
from robustsuite.roles import Images, Noise, PerImage

TINY = 1e-12  # keeps a zero gradient zero instead of NaN


def size(changes: Images, norm: Norm) -> PerImage:
    """The norm of each image's change; for L0, the number of pixels (not channels) that differ."""
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


def steepest(gradient: Images, norm: Norm) -> Images:
    """The direction of size 1 along which a linear function with this gradient rises most: its sign, or itself over its length."""
    match norm:
        case "linf":
            return gradient.sign()
        case "l2":
            return gradient / size(gradient, "l2").clamp(min=TINY).view(-1, 1, 1, 1)
        case _:
            raise NotImplementedError(f"no steepest direction for the norm {norm}")


def take_back(points: Images, clean: Images, threat: ThreatModel) -> Images:
    """The points moved into the ball around `clean` and then into [0, 1], which never leaves the ball again.

    The exact projection for L-infinity; for L2 the projection onto the ball, then onto the box.
    """
    epsilon = float(threat.epsilon)
    match threat.norm:
        case "linf":
            return points.clamp(clean - epsilon, clean + epsilon).clamp(0, 1)
        case "l2":
            change = points - clean
            scale = (epsilon / size(change, "l2").clamp(min=TINY)).clamp(max=1).view(-1, 1, 1, 1)
            return (clean + change * scale).clamp(0, 1)
        case _:
            raise NotImplementedError(f"no projection for the norm {threat.norm}")


def random_point(images: Images, threat: ThreatModel, noise: Noise) -> Images:
    """A change drawn from the ball: uniform for L-infinity; for L2 a uniform direction with a uniform length."""
    shape = images.shape[1:]
    epsilon = float(threat.epsilon)
    match threat.norm:
        case "linf":
            return (2 * noise.uniform(*shape) - 1) * epsilon
        case "l2":
            return steepest(noise.normal(*shape), "l2") * noise.uniform(1, 1, 1) * epsilon
        case _:
            raise NotImplementedError(f"no random point for the norm {threat.norm}")

"""Square attack: random search by squares of one colour, without gradients. Andriushchenko et al. 2020, arXiv:1912.00049, sections 3, 4.

As AutoAttack runs it (Croce & Hein 2020, arXiv:2003.01690): the margin as loss, p_init 0.8, 5,000 queries, and a schedule made for
10,000 that is not shortened. As in the paper, and not as in AutoAttack, each image has squares of its own, any place in the image is
possible, and the mass of a window (L2) is counted in each channel.
"""

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from robustsuite.numerics.losses import margin
from robustsuite.numerics.norms import TINY, size, steepest, take_back
from robustsuite.numerics.random import KeyedNoise
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, PerImage, Query

NORMS = ("linf", "l2")
BLACK_BOX = True

HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Numbers of changes after which the share of the pixels to be changed is halved."""


@dataclass(frozen=True)
class State:
    """See `roles.Attack`. `best` has the least margin, `loss`, of all points shown so far."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    best: Images
    loss: PerImage
    taken: Labels
    noise: KeyedNoise
    threat: ThreatModel
    queries: int
    p_init: float


def start(
    images: Images,
    labels: Labels,
    logits: Logits,
    threat: ThreatModel,
    noise: KeyedNoise,
    queries: int = 5000,
    p_init: float = 0.8,
) -> State:
    """Vertical stripes for L-infinity; a grid of bumps for L2.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: not needed: the start replaces the clean image whatever its margin.
        threat: the ball; L-infinity or L2.
        noise: for the start; change number `k` belongs to `noise.fork(k)`.
        queries: how many changes to try after the start.
        p_init: the share of the pixels that the first changes cover.
    """
    points = _stripes(images, threat, noise) if threat.norm == "linf" else _grid_of_bumps(images, threat, noise)
    nothing = torch.zeros_like(labels)
    loss = torch.full_like(images[:, 0, 0, 0], torch.inf)
    return State(points, nothing.bool(), images, labels, points, loss, nothing, noise, threat, queries, p_init)


def step(state: State, query: Query) -> State:
    """Keep the point where it lowered the margin, and change the best one anew."""
    loss = margin(query.forward(state.points), state.labels)
    better = loss < state.loss
    best = torch.where(better.view(-1, 1, 1, 1), state.points, state.best)
    halvings = (state.taken[:, None] > _schedule(state.taken.device)).sum(dim=1)
    share = state.p_init * torch.pow(0.5, halvings)
    change = _painted if state.threat.norm == "linf" else _with_mass_moved
    points = change(best, state.clean, state.threat, share, state.noise.fork(state.taken))
    taken = state.taken + 1
    loss = torch.where(better, loss, state.loss)
    return replace(state, points=points, best=best, loss=loss, taken=taken, finished=taken >= state.queries)


@cache
def _schedule(device: torch.device) -> Tensor:
    return torch.tensor(HALVED_AFTER, device=device)


# ------------------------------------------------------------------------------------------------------ L-infinity


def _stripes(images: Images, threat: ThreatModel, noise: KeyedNoise) -> Images:
    """Each column of each channel as far up or down as allowed (section 3.3, initialisation)."""
    epsilon = float(threat.epsilon)
    down = noise.uniform(3, 1, images.shape[3]) < 0.5
    return take_back(images + torch.where(down, -epsilon, epsilon), images, threat)


def _painted(best: Images, clean: Images, threat: ThreatModel, share: PerImage, noise: KeyedNoise) -> Images:
    """One square as far up or down as allowed, each channel at random (algorithm 2)."""
    epsilon, (height, width) = float(threat.epsilon), best.shape[2:]
    side = (share * (height * width)).sqrt().round().long().clamp(1, min(height, width))
    inside = _within(*_window(side, height, width, noise), side[:, None, None])[:, None]
    down = noise.uniform(3, 1, 1) < 0.5
    # Twice epsilon on top of the best point, then back into the ball, is epsilon on top of the clean image.
    return torch.where(inside, take_back(clean + torch.where(down, -epsilon, epsilon), clean, threat), best)


def _window(side: Labels, height: int, width: int, noise: KeyedNoise) -> tuple[Tensor, Tensor]:
    """Rows `[batch, height, 1]` and columns `[batch, 1, width]`, counted from the corner of a square at a random place."""
    top, left = noise.integers(height - side + 1), noise.integers(width - side + 1)
    rows = torch.arange(height, device=side.device) - top[:, None]
    columns = torch.arange(width, device=side.device) - left[:, None]
    return rows[:, :, None], columns[:, None, :]


def _within(rows: Tensor, columns: Tensor, side: Tensor) -> Tensor:
    """Which pixels belong to the square: bool `[batch, height, width]`."""
    return ((rows >= 0) & (rows < side)) & ((columns >= 0) & (columns < side))


# -------------------------------------------------------------------------------------------------------------- L2


def _grid_of_bumps(images: Images, threat: ThreatModel, noise: KeyedNoise) -> Images:
    """Five by five bumps (more along the longer side), each turned at random, of random signs (section 3.4, initialisation)."""
    height, width = images.shape[2:]
    side = max(min(height, width) // 5, 1)
    down, across = height // side, width // side
    inner = torch.arange(side, device=images.device)
    upright = torch.zeros_like(inner[:1], dtype=torch.bool)
    pattern = _bumps(inner[None, :, None], inner[None, None, :], inner.new_tensor([[[side]]]), upright[None, None])[0]
    turned = noise.uniform(1, down, 1, across, 1) < 0.5
    sign = torch.where(noise.uniform(3, down, 1, across, 1) < 0.5, -1.0, 1.0)
    tiles = sign * torch.where(turned, pattern.T[:, None, :], pattern[:, None, :])
    grid = torch.zeros_like(images)
    top, left = (height - down * side) // 2, (width - across * side) // 2
    grid[:, :, top : top + down * side, left : left + across * side] = tiles.flatten(2, 3).flatten(3)
    return take_back(images + float(threat.epsilon) * steepest(grid, "l2"), images, threat)


def _with_mass_moved(best: Images, clean: Images, threat: ThreatModel, share: PerImage, noise: KeyedNoise) -> Images:
    """A bump added to one window, with the mass that another one loses and that the box had taken (algorithm 3)."""
    epsilon, (height, width) = float(threat.epsilon), best.shape[2:]
    side = (share * (height * width)).sqrt().round().long()
    # Odd and at least 3, as the paper's; in an image that small, whatever fits.
    side = (side + 1 - side % 2).clamp(3, max(3, min(height, width) - 1 + min(height, width) % 2)).clamp(max=min(height, width))
    rows, columns = _window(side, height, width, noise)
    window = _within(rows, columns, side[:, None, None])[:, None]
    emptied = _within(*_window(side, height, width, noise), side[:, None, None])[:, None]
    turned = noise.uniform(1, 1) < 0.5
    sign = torch.where(noise.uniform(3, 1, 1) < 0.5, -1.0, 1.0)

    change = best - clean
    mass = (change.square() * (window | emptied)).sum(dim=(2, 3), keepdim=True)
    unused = (epsilon**2 - size(change, "l2").square()).clamp(min=0).view(-1, 1, 1, 1)
    bump = sign * _bumps(rows, columns, side[:, None, None], turned)[:, None] + _unit(change * window)
    moved = torch.where(window, _unit(bump) * (mass + unused / 3).sqrt(), change.masked_fill(emptied, 0))
    return take_back(clean + epsilon * steepest(moved, "l2"), clean, threat)


def _unit(changes: Images) -> Images:
    """Each channel of each image over its own L2 norm."""
    return changes / changes.square().sum(dim=(2, 3), keepdim=True).sqrt().clamp(min=TINY)


def _bumps(rows: Tensor, columns: Tensor, side: Tensor, turned: Tensor) -> Tensor:
    """A pyramid upwards next to one downwards, of L2 norm 1 together: float32 `[batch, height, width]`, 0 outside the square.

    Each is the sum over k of 1 / k**2 on concentric squares of radius k - 1 (equation 3 and figure 3 of the paper).

    Args:
        rows: int64 `[batch, height, 1]`, counted from the square's corner.
        columns: int64 `[batch, 1, width]`, likewise.
        side: int64 `[batch, 1, 1]`.
        turned: bool `[batch, 1, 1]`, whether the two lie side by side instead of one above the other.
    """
    along, across = torch.where(turned, columns, rows), torch.where(turned, rows, columns)
    half, inside = side // 2, _within(rows, columns, side)
    upper = along < half
    centre = torch.where(upper, half // 2, half + (side - half) // 2)
    distance = torch.maximum((along - centre).abs(), (across - half).abs()).minimum(half)
    sums = _sums(rows.shape[1] + columns.shape[2] + 2, rows.device)
    pyramid = (sums[half + 1] - sums[distance]) * inside
    up, down = pyramid * upper, pyramid * ~upper
    pair = up / up.square().sum(dim=(1, 2), keepdim=True).sqrt().clamp(min=TINY)
    pair = pair - down / down.square().sum(dim=(1, 2), keepdim=True).sqrt().clamp(min=TINY)
    return pair / pair.square().sum(dim=(1, 2), keepdim=True).sqrt()


@cache
def _sums(count: int, device: torch.device) -> Tensor:
    """The sum of 1 / k**2 over k = 1 … n, for n below `count`: float32 `[count]`."""
    terms = 1 / torch.arange(1, count, dtype=torch.float64).square()
    return torch.cat([terms.new_zeros(1), terms.cumsum(0)]).float().to(device)

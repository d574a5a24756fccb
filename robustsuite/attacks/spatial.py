"""The worst of a grid of rotations and shifts. Engstrom, Tran, Tsipras, Schmidt & Madry 2019, arXiv:1712.02779, section 3.

Forward passes alone, and exact on its grid. The threat model is `spatial`: `epsilon` is the largest shift as a share of each side,
and 300 times as many degrees the largest rotation, so that 0.1 is the paper's 30 degrees and (at 32 pixels) 3 pixels.
"""

from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, Query

NORMS = ("spatial",)
BLACK_BOX = True
DEGREES = 300  # per unit of epsilon


@dataclass(frozen=True)
class State:
    """See `roles.Attack`."""

    points: Images
    finished: Mask
    clean: Images
    taken: Labels
    epsilon: float
    angles: int
    shifts: int


def start(images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: Noise, angles: int = 31, shifts: int = 5) -> State:
    """The first point of the grid.

    Args:
        images: the clean images.
        labels: their true classes; needed for their shape alone.
        logits: not needed.
        threat: how far to go.
        noise: not needed.
        angles: equally spaced, from the largest rotation one way to the largest the other way.
        shifts: equally spaced, in each of the two directions.
    """
    nothing = torch.zeros_like(labels, dtype=torch.bool)
    state = State(images, nothing, images, torch.zeros_like(labels), float(threat.epsilon), angles, shifts)
    return replace(state, points=_moved(state))


def step(state: State, query: Query) -> State:
    """Show one point of the grid, and go to the next. The last is left to the engine."""
    query.forward(state.points)
    state = replace(state, taken=state.taken + 1)
    return replace(state, points=_moved(state), finished=state.taken >= state.angles * state.shifts**2 - 1)


def _moved(state: State) -> Images:
    """Every image at its own point of the grid: turned, then shifted; bilinear, black beyond the border."""
    height, width = state.clean.shape[-2:]
    angle = _spaced(state.taken % state.angles, state.angles) * state.epsilon * DEGREES * torch.pi / 180
    across = _spaced(state.taken // state.angles % state.shifts, state.shifts) * state.epsilon
    down = _spaced(state.taken // (state.angles * state.shifts) % state.shifts, state.shifts) * state.epsilon
    # From a pixel of the answer to its place in the image, in coordinates in which the image is [-1, 1] wide and high.
    turn = torch.stack([angle.cos(), -angle.sin() * height / width, -2 * across], dim=1)
    tilt = torch.stack([angle.sin() * width / height, angle.cos(), -2 * down], dim=1)
    places = F.affine_grid(torch.stack([turn, tilt], dim=1), list(state.clean.shape), align_corners=False)
    moved = F.grid_sample(state.clean, places, mode="bilinear", padding_mode="zeros", align_corners=False)
    still = (angle == 0) & (across == 0) & (down == 0)  # interpolation at whole pixels is not exact
    return torch.where(still.view(-1, 1, 1, 1), state.clean, moved)


def _spaced(number: Labels, count: int) -> torch.Tensor:
    """Number 0 to `count - 1` as equally spaced values from -1 to 1; the middle one alone is 0."""
    return (2 * number - (count - 1)).float() / max(count - 1, 1)

"""Auto-PGD, the climb that its losses share. Croce & Hein 2020, arXiv:2003.01690, algorithm 1; for L1 arXiv:2103.01208, algorithm 1.

A run is a climb from a random point. For L1 it has three phases, in a ball of three, two and one times the radius, each from where
the one before it got to; else one. In the larger balls the gradient is that of the nearest legal point, as nothing else is queried
here; so every query may already succeed.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from robustsuite.numerics.norms import into_l1, size, steepest, take_back
from robustsuite.numerics.random import KeyedNoise
from robustsuite.records import ThreatModel
from robustsuite.roles import Answer, Images, Labels, Mask, PerImage

MOMENTUM = 0.75  # the paper's alpha: the share of the new step; the last one has the rest
RISING = 0.75  # the paper's rho: the share of steps that must climb for a step length to be kept
SPARSER = 0.95  # L1: the part of its changed values to which a best point must have come down for steps to stay long
SHORTER = 1.5  # L1: divides the step length where it has not, and the number of values changed in the next steps
SHORTEST = 10  # L1: no step is shorter than this part of the first
PHASES = {"linf": ((1, 1.0),), "l2": ((1, 1.0),), "l1": ((3, 0.3), (2, 0.3), (1, 0.4))}  # radius by epsilon, and share of the steps


Some = TypeVar("Some", bound="State")


@dataclass(frozen=True)
class State:
    """See `roles.Attack`.

    Attributes:
        points: to be queried next, the paper's x(k+1).
        finished: all runs are over.
        clean: the images.
        labels: their true classes.
        noise: for the random points.
        phase: how many phases are over, of all runs.
        left: how many steps are left in this one.
        fresh: whether `points` is where this phase begins.
        radius: of the ball.
        origin: the point from which the step to `points` was taken, x(k).
        best: the point of the highest loss in this phase, with
        best_gradient: the gradient there, and
        best_loss: the loss.
        last_loss: the loss at the point queried last.
        length: of a step.
        interval: how many steps from the last checkpoint to the next, of which
        passed: so many are over, and
        risen: so many went up.
        shortened: whether the last checkpoint shortened the step.
        checked: `best_loss` at the last checkpoint.
        moving: L1: how many values a step changes.
        changed: L1: how many values `best` had changed at the last checkpoint.
        threat: the ball.
        steps: of a run.
        runs: how many there are.
    """

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    noise: KeyedNoise
    phase: Labels
    left: Labels
    fresh: Mask
    radius: PerImage
    origin: Images
    best: Images
    best_gradient: Images
    best_loss: PerImage
    last_loss: PerImage
    length: PerImage
    interval: Labels
    passed: Labels
    risen: Labels
    shortened: Mask
    checked: PerImage
    moving: PerImage
    changed: PerImage
    threat: ThreatModel
    steps: int
    runs: int


def begin(images: Images, labels: Labels, threat: ThreatModel, noise: KeyedNoise, steps: int, runs: int) -> State:
    """The first run, at its random point.

    Args:
        images: the clean images.
        labels: their true classes.
        threat: the ball; L-infinity, L2 or L1.
        noise: for the random points.
        steps: of a run.
        runs: how many there are.
    """
    first = torch.zeros_like(labels)
    return _phase(images, images, labels, first, threat, noise, steps, runs)


def _phase(
    best: Images, images: Images, labels: Labels, phase: Labels, threat: ThreatModel, noise: KeyedNoise, steps: int, runs: int
) -> State:
    """The beginning of a phase: a random point where it is the first of its run, else the best one of the phase before."""
    plan = PHASES[threat.norm]
    number, kind = torch.zeros_like(images[:, 0, 0, 0]), phase % len(plan)
    radius, left, remaining = number, torch.zeros_like(labels), steps
    for place, (times, share) in enumerate(plan):
        taken = remaining if place == len(plan) - 1 else int(share * steps)
        radius = torch.where(kind == place, times * float(threat.epsilon), radius)
        left = torch.where(kind == place, taken, left)
        remaining -= taken
    points = _random(images, threat, radius, noise.fork(phase))
    if threat.norm == "l1":
        points = into_l1(rows(kind == 0, points, best), images, radius)
    changed = _changed(points, images)
    return State(
        points=points,
        finished=torch.zeros_like(labels, dtype=torch.bool),
        clean=images,
        labels=labels,
        noise=noise,
        phase=phase,
        left=left,
        fresh=torch.ones_like(labels, dtype=torch.bool),
        radius=radius,
        origin=points,
        best=points,
        best_gradient=torch.zeros_like(images),
        best_loss=number - torch.inf,
        last_loss=number,
        length=radius * (1 if threat.norm == "l1" else 2),
        interval=((0.04 if threat.norm == "l1" else 0.22) * left).long().clamp(min=1),
        passed=torch.zeros_like(labels),
        risen=torch.zeros_like(labels),
        shortened=torch.ones_like(labels, dtype=torch.bool),
        checked=number,
        moving=changed / SHORTER,
        changed=changed,
        threat=threat,
        steps=steps,
        runs=runs,
    )


def _random(images: Images, threat: ThreatModel, radius: PerImage, noise: KeyedNoise) -> Images:
    """A random point on the surface of the ball, moved into the box; for L1 one to be projected onto both."""
    match threat.norm:
        case "linf":
            change = 2 * noise.uniform(*images.shape[1:]) - 1
            change = change / size(change, "linf").view(-1, 1, 1, 1)
        case "l2":
            change = steepest(noise.normal(*images.shape[1:]), "l2")
        case _:
            return images + noise.normal(*images.shape[1:])
    return take_back(images + radius.view(-1, 1, 1, 1) * change, images, threat)


def advanced(state: Some, answer: Answer) -> Some:
    """The state after the query at `points`: remember the best, check the step length where it is time, and take a step.

    The last point of the last run is left to the engine, which looks at it without a gradient.
    """
    fresh, loss = state.fresh, answer.loss
    better = loss > state.best_loss
    state = replace(
        state,
        best=rows(better, state.points, state.best),
        best_gradient=rows(better, answer.gradient, state.best_gradient),
        best_loss=torch.where(better, loss, state.best_loss),
        risen=state.risen + (~fresh & (loss > state.last_loss)),
        passed=state.passed + ~fresh,
        checked=torch.where(fresh, loss, state.checked),
        last_loss=loss,
        left=state.left - 1,
        fresh=torch.zeros_like(fresh),
    )
    if state.threat.norm == "l1":
        return _next_phase(_sparse_step(state, answer.gradient))
    return _next_phase(_dense_step(state, answer.gradient, first=fresh))


def _dense_step(state: Some, gradient: Images, first: Mask) -> Some:
    """At a checkpoint halve the step length where it overshoots or has led nowhere, and return to the best point."""
    due = state.passed == state.interval
    overshooting = state.risen <= RISING * state.interval
    nowhere = ~state.shortened & (state.best_loss <= state.checked)
    halved = due & (overshooting | nowhere)
    length = torch.where(halved, state.length / 2, state.length)
    sooner = (state.interval - max(int(0.03 * state.steps), 1)).clamp(min=max(int(0.06 * state.steps), 1))

    here = rows(halved, state.best, state.points)
    direction = steepest(rows(halved, state.best_gradient, gradient), state.threat.norm)
    ahead = take_back(here + length.view(-1, 1, 1, 1) * direction, state.clean, state.threat)
    drifting = take_back(here + MOMENTUM * (ahead - here) + (1 - MOMENTUM) * (here - state.origin), state.clean, state.threat)
    return replace(
        state,
        points=rows(first, ahead, drifting),
        origin=here,
        length=length,
        interval=torch.where(due, sooner, state.interval),
        passed=torch.where(due, 0, state.passed),
        risen=torch.where(due, 0, state.risen),
        shortened=torch.where(due, halved, state.shortened),
        checked=torch.where(due, state.best_loss, state.checked),
    )


def _sparse_step(state: Some, gradient: Images) -> Some:
    """L1: change the values with the largest gradients, all by as much; at a checkpoint choose how many, and how much."""
    due = state.passed == state.interval
    changed = torch.where(due, _changed(state.best, state.clean), state.changed)
    sparser = due & (changed < SPARSER * state.changed)
    shorter = (state.length / SHORTER).maximum(state.radius / SHORTEST)
    length = torch.where(due, torch.where(sparser, state.radius, shorter), state.length)
    moving = torch.where(due, changed / SHORTER, state.moving)

    here = rows(sparser, state.best, state.points)
    direction = _sparse(rows(sparser, state.best_gradient, gradient), moving)
    return replace(
        state,
        points=into_l1(here + length.view(-1, 1, 1, 1) * direction, state.clean, state.radius),
        origin=here,
        length=length,
        passed=torch.where(due, 0, state.passed),
        moving=moving,
        changed=changed,
    )


def _sparse(gradient: Images, moving: PerImage) -> Images:
    """The signs of the largest values, over their number: a direction of L1 size 1. At least one value; more where they tie."""
    flat = gradient.flatten(1)
    place = (moving.long() - 1).clamp(min=0)  # rounded down, so that one value can be what remains
    least = flat.abs().sort(dim=1, descending=True).values.gather(1, place[:, None])
    signs = torch.where(flat.abs() >= least, flat.sign(), 0)
    return (signs / signs.abs().sum(dim=1, keepdim=True).clamp(min=1)).view_as(gradient)


def _next_phase(state: Some) -> Some:
    """Where a phase is over, the next one, or the end."""
    phases = state.runs * len(PHASES[state.threat.norm])
    last = state.phase + 1 >= phases
    state = replace(state, finished=last & (state.left <= 0))
    over = ~last & (state.left < 0)
    if phases == 1 or not bool(over.any()):
        return state
    begun = _phase(state.best, state.clean, state.labels, state.phase + 1, state.threat, state.noise, state.steps, state.runs)
    return merged(over, begun, state)


def _changed(points: Images, clean: Images) -> PerImage:
    """How many values differ."""
    return (points != clean).flatten(1).sum(dim=1).to(points.dtype)


def rows(chosen: Mask, one: Tensor, other: Tensor) -> Tensor:
    """Rows of `one` where chosen, else of `other`."""
    return torch.where(chosen.view(-1, *[1] * (one.ndim - 1)), one, other)


def merged(chosen: Mask, one: State, other: Some) -> Some:
    """The rows of one state where chosen, else of the other."""
    parts = {field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(one)}
    return replace(other, **{name: rows(chosen, *pair) for name, pair in parts.items() if isinstance(pair[0], Tensor)})

"""L-BFGS for many small problems at once, each with its own history, step and stopping rule.

torch.optim.LBFGS optimises one joint problem: one step length for all, so the hardest holds back
the rest. Here every row of x is a problem of its own. The two-loop recursion is Nocedal and Wright
(Numerical Optimization, 2006, algorithm 7.4); the line search finds a step that satisfies the weak
Wolfe conditions by bisection (Lewis and Overton, Mathematical Programming 141, 2013).

Shapes: N problems, A of them active, D unknowns of each, M pairs of history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

ARMIJO, CURVATURE = 1e-4, 0.9
"""The Wolfe conditions: enough decrease for the step, and enough of the slope gone."""
TRIALS = 20
"""Evaluations of one line search."""

Objective = Callable[[Tensor, Tensor], Tensor]
"""(x [A, D], rows [A]) to values [A]; `rows` says which problems these are."""


@dataclass(frozen=True)
class Minimum:
    """Where each problem came to rest."""

    x: Tensor
    """[N, D], the best seen."""
    value: Tensor
    """[N], there."""
    rounds: Tensor
    """[N] int64, steps taken."""
    sound: Tensor
    """[N] bool: False where values that are not finite ended the search, at its start or later."""


@dataclass
class Points:
    """Points with their values [A] and gradients [A, D]."""

    x: Tensor
    value: Tensor
    grad: Tensor

    def __getitem__(self, rows: Tensor) -> Points:
        return Points(self.x[rows], self.value[rows], self.grad[rows])

    def put(self, rows: Tensor, new: Points) -> None:
        """Overwrite some rows."""
        self.x[rows], self.value[rows], self.grad[rows] = new.x, new.value, new.grad


def minimise(
    objective: Objective,
    start: Tensor,
    *,
    rounds: int = 50,
    memory: int = 10,
    tolerance: float = 1e-5,
    advance: Callable[[int], None] | None = None,
) -> Minimum:
    """Minimise every row of `start` [N, D] by itself; rows at rest leave the batch.

    Args:
        rounds: steps a problem takes at most.
        tolerance: a problem rests when a step gains less than this share of its value.
        advance: told after every round how many steps are done, of N times `rounds`; a problem at
            rest has done all of its steps.
    """
    x = start.detach().float().clone()
    at = Points(x, *evaluate(objective, x, torch.arange(len(x), device=x.device)))
    history = History(x, memory)
    steps = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    sound = at.value.isfinite() & at.grad.isfinite().all(1)
    active = sound.nonzero().squeeze(1)
    for done in range(1, rounds + 1):
        if not len(active):
            break
        here = at[active]
        direction = history.direction(here.grad, active)
        unit = (1 / direction.norm(dim=1)).clamp(max=1)  # without history: one unit of length
        step = torch.where(steps[active] == 0, unit, 1.0)
        found, broken = line_search(objective, here, active, direction, step)
        gain = here.value - found.value
        moved = gain > 0
        rows, new = active[moved], found[moved]
        history.push(new.x - here.x[moved], new.grad - here.grad[moved], rows)
        at.put(rows, new)
        steps[rows] += 1
        going = moved & (gain > tolerance * found.value.abs())
        sound[active[broken & ~going]] = False
        active = active[going]
        if advance:
            advance(len(x) * rounds - len(active) * (rounds - done))
    return Minimum(at.x, at.value, steps, sound)


def evaluate(objective: Objective, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return values [A] and gradients [A, D]; rows do not touch each other, so one sum serves."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        value = objective(leaf, rows)
        (grad,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), grad


class History:
    """The last M steps s and changes of gradient y of every problem."""

    def __init__(self, x: Tensor, memory: int) -> None:
        n, d = x.shape
        self.s, self.y = x.new_zeros(n, memory, d), x.new_zeros(n, memory, d)
        self.rho = x.new_zeros(n, memory)
        """1 / (s y); 0 where there is no pair, which then changes nothing."""

    def push(self, s: Tensor, y: Tensor, rows: Tensor) -> None:
        """Add a pair to some problems, the oldest falls out; pairs without curvature are left."""
        curved = (s * y).sum(1) > 1e-10 * y.square().sum(1)
        s, y, rows = s[curved], y[curved], rows[curved]
        rho = 1 / (s * y).sum(1)
        for kept, new in ((self.s, s), (self.y, y), (self.rho, rho)):
            kept[rows] = torch.cat([kept[rows, 1:], new[:, None]], 1)

    def direction(self, grad: Tensor, rows: Tensor) -> Tensor:
        """Return -H g [A, D], the quasi-Newton directions; downhill in every row."""
        s, y, rho = self.s[rows], self.y[rows], self.rho[rows]
        q, alphas = grad.clone(), []
        for i in reversed(range(s.shape[1])):
            alphas.append(rho[:, i] * (s[:, i] * q).sum(1))
            q -= alphas[-1][:, None] * y[:, i]
        scale = 1 / (rho[:, -1] * y[:, -1].square().sum(1))  # s y / y y
        q *= torch.where(rho[:, -1] > 0, scale, 1.0)[:, None]
        for i, alpha in enumerate(reversed(alphas)):
            beta = rho[:, i] * (y[:, i] * q).sum(1)
            q += (alpha - beta)[:, None] * s[:, i]
        uphill = (q * grad).sum(1) <= 0
        return -torch.where(uphill[:, None], grad, q)


def line_search(
    objective: Objective, begin: Points, rows: Tensor, direction: Tensor, step: Tensor
) -> tuple[Points, Tensor]:
    """Search along each direction [A, D] for a step that satisfies the weak Wolfe conditions.

    A step too long halves the bracket, one too short doubles it; rows that are done are not
    evaluated again. A value that is not finite counts as a step too long. Returns the lowest point
    of each row that gains enough, or where it began; and which rows [A] met such values.

    Args:
        step: [A], the first to try.
    """
    every = torch.arange(len(rows), device=rows.device)
    found, open_, broken = begin[every], every, torch.zeros_like(step, dtype=torch.bool)
    slope = (direction * begin.grad).sum(1)
    low, high = torch.zeros_like(step), torch.full_like(step, torch.inf)
    for _ in range(TRIALS):
        along = direction[open_]
        x = begin.x[open_] + step[open_, None] * along
        trial = Points(x, *evaluate(objective, x, rows[open_]))
        enough = trial.value <= begin.value[open_] + ARMIJO * step[open_] * slope[open_]
        finite = trial.value.isfinite() & trial.grad.isfinite().all(1)
        broken[open_] |= ~finite
        enough &= finite
        flat = (trial.grad * along).sum(1) >= CURVATURE * slope[open_]
        better = enough & (trial.value < found.value[open_])
        found.put(open_[better], trial[better])
        high[open_[~enough]] = step[open_[~enough]]
        low[open_[enough]] = step[open_[enough]]
        step = torch.where(high.isfinite(), (low + high) / 2, 2 * low)
        open_ = open_[~(enough & flat)]
        if not len(open_):
            break
    return found, broken

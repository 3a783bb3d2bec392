"""L-BFGS for many small problems at once, each with its own history, step and stopping rule.

torch.optim.LBFGS optimises one joint problem: one step length for all, so the hardest holds back
the rest. Here every row of x is a problem of its own. The two-loop recursion is Nocedal and Wright
(Numerical Optimization, 2006, algorithm 7.4); the line search finds a step that satisfies the weak
Wolfe conditions by bisection (Lewis and Overton, Mathematical Programming 141, 2013).

Shapes: N problems, A of them active, D unknowns of each, M pairs of history.
"""

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
    """[N] bool: False where the objective was not finite from the start."""


def minimise(
    objective: Objective, start: Tensor, *, rounds: int = 50, memory: int = 10,
    tolerance: float = 1e-5, advance: Callable[[int, int], None] | None = None,
) -> Minimum:  # fmt: skip
    """Minimise every row of `start` [N, D] by itself; rows at rest leave the batch.

    Args:
        rounds: steps a problem takes at most.
        tolerance: a problem rests when a step gains less than this share of its value.
        advance: told (problems at rest, N) after every round.
    """
    x = start.detach().float().clone()
    value, grad = evaluate(objective, x, torch.arange(len(x), device=x.device))
    history = History(x, memory)
    steps = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    sound = value.isfinite() & grad.isfinite().all(1)
    active = sound.nonzero().squeeze(1)
    for _ in range(rounds):
        if not len(active):
            break
        direction = history.direction(grad[active], active)
        found = line_search(objective, x, value, grad, active, direction, steps[active] == 0)
        gain = value[active] - found.value
        moved = gain > 0
        rows = active[moved]
        history.push(found.x[moved] - x[rows], found.grad[moved] - grad[rows], rows)
        x[rows], value[rows], grad[rows] = found.x[moved], found.value[moved], found.grad[moved]
        steps[rows] += 1
        active = active[moved & (gain > tolerance * found.value.abs())]
        if advance:
            advance(len(x) - len(active), len(x))
    return Minimum(x, value, steps, sound)


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


@dataclass
class Found:
    """Where line searches ended, row by row; a row that found nothing is where it began."""

    x: Tensor
    value: Tensor
    grad: Tensor


def line_search(
    objective: Objective, x: Tensor, value: Tensor, grad: Tensor, rows: Tensor, direction: Tensor,
    first: Tensor,
) -> Found:  # fmt: skip
    """Search along each direction [A, D] for a step that satisfies the weak Wolfe conditions.

    A step too long halves the bracket, one too short doubles it; rows that are done are not
    evaluated again. A value that is not finite counts as a step too long.

    Args:
        first: [A] bool, rows without history, whose first trial is one unit of length.
    """
    x0, f0 = x[rows], value[rows]
    slope = (direction * grad[rows]).sum(1)
    found = Found(x0.clone(), f0.clone(), grad[rows].clone())
    low, high = torch.zeros_like(f0), torch.full_like(f0, torch.inf)
    step = torch.where(first, (1 / direction.norm(dim=1)).clamp(max=1), 1.0)
    open_ = torch.arange(len(rows), device=x.device)
    for _ in range(TRIALS):
        trial = x0[open_] + step[open_, None] * direction[open_]
        f, g = evaluate(objective, trial, rows[open_])
        enough = f <= f0[open_] + ARMIJO * step[open_] * slope[open_]  # False for nan
        enough &= g.isfinite().all(1)
        flat = (g * direction[open_]).sum(1) >= CURVATURE * slope[open_]
        better = enough & (f < found.value[open_])
        for kept, new in ((found.x, trial), (found.value, f), (found.grad, g)):
            kept[open_[better]] = new[better]
        high[open_[~enough]] = step[open_[~enough]]
        low[open_[enough]] = step[open_[enough]]
        step = torch.where(high.isfinite(), (low + high) / 2, 2 * low)
        open_ = open_[~(enough & flat)]
        if not len(open_):
            break
    return found

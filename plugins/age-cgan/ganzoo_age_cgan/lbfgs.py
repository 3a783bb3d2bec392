"""L-BFGS for a batch of small problems, each with its own history, step size and stopping rule.

torch.optim.LBFGS optimizes one joint problem: all parts share a step size, so the hardest part
slows down the others. Here every row of x is a separate problem. The two-loop recursion is
algorithm 7.4 of Nocedal and Wright (Numerical Optimization, 2006). The line search finds a step
that satisfies the weak Wolfe conditions by bisection (Lewis and Overton, Mathematical Programming
141, 2013).

Shapes: N problems, A of them active, D unknowns in each, M pairs of history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_ARMIJO, _CURVATURE = 1e-4, 0.9
"""Constants of the Wolfe conditions: sufficient decrease, and curvature."""
_MAX_LINE_SEARCH_EVALS = 20

Objective = Callable[[Tensor, Tensor], Tensor]
"""(x [A, D], rows [A]) to values [A]; `rows` are the indices of these problems."""


@dataclass(frozen=True)
class MinimizeResult:
    """The minimum of each problem."""

    x: Tensor
    """[N, D], the best point."""
    value: Tensor
    """[N], the objective at x."""
    num_steps: Tensor
    """[N] int64, accepted steps."""
    is_finite: Tensor
    """[N] bool: False where a value or gradient that is not finite ended the search."""


@dataclass
class _Points:
    x: Tensor
    """[A, D]."""
    value: Tensor
    """[A]."""
    grad: Tensor
    """[A, D]."""

    def __getitem__(self, rows: Tensor) -> _Points:
        return _Points(self.x[rows], self.value[rows], self.grad[rows])

    def set_rows(self, rows: Tensor, new: _Points) -> None:
        self.x[rows], self.value[rows], self.grad[rows] = new.x, new.value, new.grad


def minimize(
    objective: Objective,
    x0: Tensor,
    *,
    max_steps: int = 50,
    history_size: int = 10,
    relative_tolerance: float = 1e-5,
    progress: Callable[[int], None] | None = None,
) -> MinimizeResult:
    """Minimize the objective for every row of `x0` [N, D]; converged rows leave the batch.

    Args:
        objective: the function to minimize, row by row.
        x0: the starting points.
        max_steps: maximum number of steps of each row.
        history_size: M.
        relative_tolerance: a row has converged when a step decreases its value by less than this
            fraction of it.
        progress: called after every step with the steps done, of N * max_steps; a converged row
            counts as `max_steps`.
    """
    x = x0.detach().float().clone()
    current = _evaluate(objective, x, torch.arange(len(x), device=x.device))
    history = _History(x, history_size)
    num_steps = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    is_finite = current.value.isfinite() & current.grad.isfinite().all(1)
    active = is_finite.nonzero().squeeze(1)
    for step_number in range(1, max_steps + 1):
        if not len(active):
            break
        old = current[active]
        direction = history.descent_direction(old.grad, active)
        unit_step = (1 / direction.norm(dim=1)).clamp(max=1)  # without history: at most length 1
        step_size = torch.where(num_steps[active] == 0, unit_step, 1.0)
        new, has_nonfinite = _line_search(objective, old, active, direction, step_size)
        decrease = old.value - new.value
        has_decreased = decrease > 0
        rows, accepted = active[has_decreased], new[has_decreased]
        history.push(
            accepted.x - old.x[has_decreased], accepted.grad - old.grad[has_decreased], rows
        )
        current.set_rows(rows, accepted)
        num_steps[rows] += 1
        is_active = has_decreased & (decrease > relative_tolerance * new.value.abs())
        is_finite[active[has_nonfinite & ~is_active]] = False
        active = active[is_active]
        if progress:
            progress(len(x) * max_steps - len(active) * (max_steps - step_number))
    return MinimizeResult(current.x, current.value, num_steps, is_finite)


def _evaluate(objective: Objective, x: Tensor, rows: Tensor) -> _Points:
    """Return x with values and gradients. Rows are independent, so one backward of the sum is
    enough."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        value = objective(leaf, rows)
        (grad,) = torch.autograd.grad(value.sum(), leaf)
    return _Points(x, value.detach(), grad)


class _History:
    """The last M steps s and gradient changes y of every problem."""

    def __init__(self, x: Tensor, history_size: int) -> None:
        n, d = x.shape
        self.s, self.y = x.new_zeros(n, history_size, d), x.new_zeros(n, history_size, d)
        self.rho = x.new_zeros(n, history_size)
        """1 / (s y) [N, M]; 0 for an empty slot, which then has no effect."""

    def push(self, s: Tensor, y: Tensor, rows: Tensor) -> None:
        """Add a pair to some problems and drop their oldest; skip pairs without curvature."""
        has_curvature = (s * y).sum(1) > 1e-10 * y.square().sum(1)
        s, y, rows = s[has_curvature], y[has_curvature], rows[has_curvature]
        rho = 1 / (s * y).sum(1)
        for buffer, new in ((self.s, s), (self.y, y), (self.rho, rho)):
            buffer[rows] = torch.cat([buffer[rows, 1:], new[:, None]], 1)

    def descent_direction(self, grad: Tensor, rows: Tensor) -> Tensor:
        """Return the quasi-Newton directions -H g [A, D], or -g where these point uphill."""
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
        is_uphill = (q * grad).sum(1) <= 0
        return -torch.where(is_uphill[:, None], grad, q)


def _line_search(
    objective: Objective, start: _Points, rows: Tensor, direction: Tensor, step_size: Tensor
) -> tuple[_Points, Tensor]:
    """Search along each direction [A, D] for a step that satisfies the weak Wolfe conditions.

    A step without sufficient decrease becomes the upper end of the bracket, any other the lower
    end. A value that is not finite counts as no decrease. Finished rows are not evaluated again.

    Args:
        step_size: [A], the first step to try.

    Returns:
        The best point of each row with sufficient decrease, or its start; and whether the row had
        a value that is not finite [A].
    """
    all_rows = torch.arange(len(rows), device=rows.device)
    best, unfinished = start[all_rows], all_rows
    has_nonfinite = torch.zeros_like(step_size, dtype=torch.bool)
    slope = (direction * start.grad).sum(1)
    low, high = torch.zeros_like(step_size), torch.full_like(step_size, torch.inf)
    for _ in range(_MAX_LINE_SEARCH_EVALS):
        open_step, open_slope = step_size[unfinished], slope[unfinished]
        open_direction = direction[unfinished]
        x = start.x[unfinished] + open_step[:, None] * open_direction
        trial = _evaluate(objective, x, rows[unfinished])
        is_finite = trial.value.isfinite() & trial.grad.isfinite().all(1)
        has_nonfinite[unfinished] |= ~is_finite
        threshold = start.value[unfinished] + _ARMIJO * open_step * open_slope
        has_decrease = (trial.value <= threshold) & is_finite
        has_curvature = (trial.grad * open_direction).sum(1) >= _CURVATURE * open_slope
        is_better = has_decrease & (trial.value < best.value[unfinished])
        best.set_rows(unfinished[is_better], trial[is_better])
        high[unfinished[~has_decrease]] = open_step[~has_decrease]
        low[unfinished[has_decrease]] = open_step[has_decrease]
        step_size = torch.where(high.isfinite(), (low + high) / 2, 2 * low)
        unfinished = unfinished[~(has_decrease & has_curvature)]
        if not len(unfinished):
            break
    return best, has_nonfinite

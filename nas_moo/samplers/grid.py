"""Grid search over the canonical architectures of a genome, and the arithmetic of why it seldom ends.

Optuna's own grid raises in ask-and-tell loops and repeats points that differ only in inactive genes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from nas_moo.errors import UserInputError
from nas_moo.genome import Architecture, Genome
from nas_moo.measurement import counted
from nas_moo.samplers.base import GenomeSampler
from nas_moo.samplers.distributions import SpaceExhaustedError, parameters


class GridSampler(GenomeSampler):
    """Proposes each point of the grid once, the last gene changing fastest."""

    def __init__(self, genome: Genome, is_known: Callable[[Architecture], bool], steps: int | None) -> None:
        super().__init__(genome)
        self.origin = "grid"
        self._is_known, self._points = is_known, genome.grid(steps)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point that is not known.

        Raises:
            SpaceExhaustedError: the grid is walked.
        """
        for architecture in self._points:
            if not self._is_known(architecture):
                return parameters(architecture, self._genome)
        raise SpaceExhaustedError(
            "the grid is walked to its end", trial=trial.number, value="grid", do="Nothing is left to search."
        )


def check_grid_ends(points: int, trials: int, seconds_per_trial: Callable[[], float], time_limit: float | None) -> None:
    """Refuse a grid that would be cut off, since what is cut off is a corner and no sample of the space.

    Args:
        points: Of the grid that are still to be trained.
        trials: How many trainings are allowed.
        seconds_per_trial: Measures one training; called only where the grid is refused or a time limit is set.
        time_limit: Seconds allowed, or None.

    Raises:
        UserInputError: more points than trials, or than the time limit holds.
    """
    if points <= trials and time_limit is None:
        return
    one = seconds_per_trial()
    needed = f"{counted(points, 'point')} x {one:.2g} s measured for one = {duration(points * one)}"
    if points > trials:
        raise UserInputError(
            f"this grid cannot end within the trials allowed: {needed}",
            value=f"--trials {trials}",
            do=f"Give --trials {points}, fewer --grid-steps, a smaller space, or --sampler random.",
        )
    if time_limit is not None and points * one > time_limit:
        raise UserInputError(
            f"this grid cannot end within the time limit: {needed}",
            value=f"--time-limit {duration(time_limit)}",
            do="Give it more time, fewer --grid-steps, a smaller space, or --sampler random.",
        )


def duration(seconds: float) -> str:
    """Seconds as a person says them: "42 s", "3.5 min", "12 h", "25 days", "4,100 years"."""
    for unit, size in (("years", 365.25 * 86400), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.3g} s"

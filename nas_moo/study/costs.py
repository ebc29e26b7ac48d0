"""What a sampler may know of a candidate before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from nas_moo.genome import Architecture
from nas_moo.objectives import Objective
from nas_moo.objectives.untouched import same_random_state
from nas_moo.samplers import Problem
from nas_moo.study.config import Setup
from nas_moo.study.evaluate import BEFORE_TRAINING, KnownMeasurements, measure, untrained


def known_before_training(setup: Setup, measured: KnownMeasurements) -> Problem:
    """The study as its sampler may know it.

    Args:
        setup: Of a search with one trained objective and at least one cost.
        measured: What is known by objective and network digest; added to, so that the trial of a candidate measures
            nothing twice.
    """
    costs = [o for o in setup.objectives if o.stage in BEFORE_TRAINING]
    return Problem(
        error=setup.objectives.index(setup.trained_objectives[0]),
        costs=tuple(o.name for o in costs),
        log=tuple(o.log for o in costs),
        ask=CandidateCosts(setup, measured),
        limits={name: limit for name, limit in setup.limits.items() if name in {o.name for o in costs}},
    )


class CandidateCosts:
    """Builds a candidate's untrained network, measures its static objectives, and throws it away.

    The device is not asked: a cost that is measured on it, such as latency, is told where a trial of the same network
    has measured it, and left out otherwise.
    """

    def __init__(self, setup: Setup, measured: KnownMeasurements) -> None:
        self._setup, self._measured = setup, measured

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """The known costs by name; none where the network cannot be built or counted, as its trial would say."""
        network = architecture.network_digest
        costs = [o for o in self._setup.objectives if o.stage in BEFORE_TRAINING]
        fresh = [o for o in costs if o.stage == "static" and (o.name, network) not in self._measured]
        if fresh and not self._measures(architecture, fresh):
            return {}
        return {o.name: self._measured[o.name, network].value for o in costs if (o.name, network) in self._measured}

    def _measures(self, architecture: Architecture, objectives: Sequence[Objective]) -> bool:
        """Whether all of these could be measured."""
        try:
            with same_random_state(self._setup.device):
                candidate = untrained(self._setup, architecture)
                found = {(o.name, architecture.network_digest): measure(o, candidate) for o in objectives}
        except (Exception, SystemExit):  # noqa: BLE001 - whatever a user's code raises fails a trial, and no proposal
            return False
        self._measured.update(found)
        return True

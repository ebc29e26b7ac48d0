"""A fixed network that is timed again and again: where its time moves, something else uses the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nas_moo.genome import Architecture
from nas_moo.measurement import DRIFT_LIMIT
from nas_moo.objectives import Candidate
from nas_moo.objectives.latency import Latency
from nas_moo.objectives.modes import EAGER, GRAPH
from nas_moo.objectives.timing import TimingPreset

EVERY = 20  # models between two timings of the reference
_SEED, _SHAPE, _CLASSES = 0, (3, 32, 32), 10
_PRESET = TimingPreset("reference", budget_s=0.25, precision=0.005)


@dataclass(frozen=True)
class Drift:
    """The reference before and after some models.

    Attributes:
        before_ms: Its latency before the first of them.
        after_ms: After the last.
    """

    before_ms: float
    after_ms: float

    @property
    def share(self) -> float:
        """The change relative to before."""
        return self.after_ms / self.before_ms - 1

    @property
    def is_contended(self) -> bool:
        """It moved by more than a timing does by itself."""
        return abs(self.share) > DRIFT_LIMIT


class Reference:
    """A small convolutional network, the same everywhere.

    Args:
        latency: How the models are timed; in compiled and exported modes the reference is timed eagerly, since building
            it takes longer than timing it.
    """

    def __init__(self, latency: Latency) -> None:
        mode = latency.mode if latency.mode.name in (EAGER.name, GRAPH.name) else EAGER
        self._latency = Latency(mode, latency.device, preset=_PRESET, timer=latency.timer)
        self._candidate = Candidate(Architecture({"reference": 1}), _network(), _SHAPE, _CLASSES, latency.device)
        self._is_cold = latency.device.type == "cuda"

    def time(self) -> float:
        """Its latency now, in milliseconds.

        On a GPU the first timing is thrown away: it is a search's first work there, at the clocks of an idle GPU, and
        models would be held for contended because the reference is faster later.
        """
        if self._is_cold:
            self._latency.measure(self._candidate)
            self._is_cold = False
        return self._latency.measure(self._candidate).value


def _network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        layers: list[nn.Module] = []
        channels = _SHAPE[0]
        for width, stride in ((16, 1), (32, 2), (32, 1), (64, 2)):
            layers += [nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, _CLASSES))

"""The record of one trial: what was proposed, measured and learned, and how it ended."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas_moo.genome import Architecture
from nas_moo.measurement import Measurement

State: TypeAlias = Literal["running", "complete", "screened", "pruned", "failed", "interrupted", "duplicate"]
Origin: TypeAlias = Literal["", "random", "bred", "screened", "model", "grid", "rest", "seed", "thawed"]
STATES: tuple[State, ...] = ("complete", "pruned", "screened", "failed", "interrupted", "duplicate", "running")


ORIGINS: Mapping[Origin, str] = {
    "random": "drawn evenly from the space",
    "bred": "a child of earlier trials",
    "screened": "of many candidates, the one that promised most",
    "model": "what a sampler's model of earlier trials wanted",
    "grid": "the next point of the grid",
    "rest": "drawn from what is left, since all others were known",
    "seed": "given by the user",
    "thawed": "goes on with a pruned trial",
    "": "not stored",
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one trained network says of one part of the data.

    Attributes:
        logits: Shape (examples, classes), float32.
        targets: The true classes, shape (examples,), int64.
    """

    logits: NDArray[np.float32]
    targets: NDArray[np.int64]


OUTBID = "outbid"  # the kind of a pruned trial that the sampler gave up for now


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        state: "screened" broke a budget before training; "pruned" was stopped during it; "interrupted" says nothing
            about the architecture.
        kind: The reason as one word a table can group by: "nan", "build", "budget:flops" ... Empty where complete.
        reason: The same in a sentence.
        trained: The trial cost training.
    """

    state: State
    kind: str = ""
    reason: str = ""
    trained: bool = False

    @property
    def counts(self) -> bool:
        """Whether a search's ``--trials`` count it: what was outbid has come to no end yet."""
        return self.trained and self.kind != OUTBID


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of training, as it is stored.

    Attributes:
        epoch: Counted from 1.
        error: The study's trained objective on the validation data after this epoch (mean over folds, where there are
            folds).
        train_loss: Mean training loss of the epoch, in nats.
        learning_rate: Of the epoch's last step.
        seconds: Training and validation of this epoch.
        folds: The error of each fold; one entry under hold-out validation.
    """

    epoch: int
    error: float
    train_loss: float
    learning_rate: float
    seconds: float
    folds: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The epoch as plain JSON."""
        return asdict(self) | {"folds": list(self.folds)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> EpochRecord:
        """Read what ``to_dict`` wrote."""
        return cls(**{**record, "folds": tuple(record.get("folds", ()))})


OUTBID_REASON = "a new architecture promises more for each epoch that is left"


@dataclass(frozen=True)
class Judgement:
    """A decision to stop a training, with what it stood on.

    Attributes:
        pruner: Its name.
        control: It was overruled at random and the training went on, so that it can be known what decisions are worth.
        reason: In a sentence.
        epoch: After which it was taken.
        last_error: The error after that epoch.
        predicted: The final error that was expected; None where the pruner predicts none.
        spread: Standard deviation of the logarithm of that; None likewise.
        bound: The lowest final error that was thought possible; None likewise.
        threshold: What pruners that are blind to costs compared the last error with; None for others.
        rival: Number of the finished trial that was better at costs no higher; None for pruners blind to costs.
        rival_error: What that one had.
        finished: How many finished trials the decision stood on.
        quantile: Share of trainings that may end below their bound; None for pruners without.
        level: How often the pruner had turned more cautious before, by what controls had shown.
        costs: What the training costs, by objective, as it was known before.
        outbid: The pruner would have let it go on, and the sampler gave it up for now: a new training promised more.
    """

    pruner: str
    control: bool
    reason: str
    epoch: int
    last_error: float
    predicted: float | None
    spread: float | None
    bound: float | None
    threshold: float | None
    rival: int | None
    rival_error: float | None
    finished: int
    quantile: float | None
    level: int
    costs: Mapping[str, float]
    outbid: bool = False


@dataclass(frozen=True)
class Evaluation:
    """One trial, whole.

    Attributes:
        number: The trial's number in its study, from 0.
        architecture: The active genes.
        measurements: By objective name; those that were reached.
        curve: The epochs that were trained.
        outcome: How it ended.
        seconds: By stage: build, static, device, training, waiting.
        worker: Which process ran it.
        started: When, in ISO 8601 with time zone.
        judgement: A pruner's decision to stop it; None where there was none.
        continues: Number of the pruned trial whose training it goes on with; None where it began anew.
        inherited: How many epochs of the curve that one had trained.
        origin: How it came to be proposed, a key of ``ORIGINS``; empty in studies that did not store it.
        generation: Of a sampler that breeds in generations, from 0; None for others.
    """

    number: int
    architecture: Architecture
    measurements: Mapping[str, Measurement]
    curve: tuple[EpochRecord, ...]
    outcome: Outcome
    seconds: Mapping[str, float] = field(default_factory=dict)
    worker: str = ""
    started: str = ""
    judgement: Judgement | None = None
    continues: int | None = None
    inherited: int = 0
    origin: Origin = ""
    generation: int | None = None


def seal(measurement: Measurement) -> str:
    """A measurement on locked test data, written so that nobody reads it in passing (base64; it is no secret)."""
    return base64.b64encode(json.dumps(measurement.to_dict()).encode()).decode()


def open_seal(sealed: str) -> Measurement:
    """Read what ``seal`` wrote."""
    return Measurement.from_dict(json.loads(base64.b64decode(sealed)))

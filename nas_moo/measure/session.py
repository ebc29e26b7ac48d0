"""A session: all models in every round, in random order, between timings of the reference network."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import torch

from nas_moo.device import fingerprint, free_memory, is_out_of_memory, timing_trust
from nas_moo.errors import MachineError, NasMooError, UnknownNameError, UserInputError
from nas_moo.lease import Lease
from nas_moo.measure.front import Finalist, FrontFile
from nas_moo.measure.records import FORMAT, Round, combine
from nas_moo.measurement import Measurement, counted, format_quantity
from nas_moo.objectives.latency import MODES, Latency
from nas_moo.objectives.modes import EAGER, GRAPH, ModeError
from nas_moo.objectives.reference import EVERY, Drift, Reference
from nas_moo.objectives.timing import CAREFUL, with_precision

FEWEST_ROUNDS = 3
ATTEMPTS = 3  # at models between two timings of the reference that do not agree
Say = Callable[[str], None]
Pair = tuple[Finalist, Latency]


@dataclass(frozen=True)
class Session:
    """How finalists are timed.

    Attributes:
        device: Where.
        modes: Names; "latency" is the latency of the device at hand.
        batch: Examples a call.
        precision: That the interval of a round shall reach.
        rounds: How often each model is timed, with all others in between.
        cold_cache: Caches are emptied before each call.
        seed: Of the order in each round.
    """

    device: torch.device
    modes: tuple[str, ...] = ("latency",)
    batch: int = 1
    precision: float = CAREFUL.precision
    rounds: int = FEWEST_ROUNDS
    cold_cache: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rounds < FEWEST_ROUNDS:
            raise UserInputError("too few rounds for an interval between them", value=self.rounds, do="Give 3 or more.")

    def latencies(self) -> tuple[Latency, ...]:
        """One a mode.

        Raises:
            UserInputError: a mode is unknown, given twice, not for this device, or not installed.
        """
        names = [EAGER.name if m == GRAPH.name and self.device.type != "cuda" else m for m in self.modes]
        unknown = [n for n in names if n not in MODES]
        if unknown:
            raise UnknownNameError("mode", unknown[0], MODES)
        if len(set(names)) < len(names):
            raise UserInputError("a mode is given twice", value=", ".join(self.modes), do="Give each once.")
        return tuple(self.latency(name) for name in names)

    def latency(self, mode: str) -> Latency:
        """The objective that times in one mode."""
        preset = with_precision(self.precision)
        return Latency(MODES[mode], self.device, batch=self.batch, preset=preset, cold_cache=self.cold_cache)


@dataclass
class _State:
    """What is known of each model and mode so far."""

    rounds: dict[tuple[str, str], list[Round]] = field(default_factory=dict)
    failed: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)  # models that are timed eagerly, and why

    def time_eagerly(self, finalist: Finalist, asked: str, why: str) -> None:
        """From now on; rounds in which its capture worked are of another key, and no part of its line."""
        self.instead[finalist.id] = why
        self.rounds.pop((finalist.id, asked), None)

    def behind(self, pairs: Sequence[Pair], rounds: int) -> list[Pair]:
        """Those that did not fail and have fewer rounds: some were taken from them."""
        alive = [(f, latency) for f, latency in pairs if (f.id, latency.name) not in self.failed]
        return [(f, latency) for f, latency in alive if len(self.rounds.get((f.id, latency.name), ())) < rounds]


def run(front: FrontFile, session: Session, say: Say = lambda text: None) -> Iterator[dict[str, Any]]:
    """Time the models of a front.

    Yields:
        The lines of the file: first what the session was, then one a model and mode.

    Raises:
        UserInputError: a mode cannot be had.
        MachineError: others hold the device for too long, or its clock cannot be used.
    """
    latencies = session.latencies()
    reference, lease, state = Reference(latencies[0]), Lease(session.device), _State()
    order = random.Random(session.seed)  # noqa: S311
    yield _header(front, session)
    number, every = 0, [(f, latency) for f in front.finalists for latency in latencies]
    while pairs := every if number < session.rounds else state.behind(every, session.rounds):
        number, pairs = number + 1, order.sample(pairs, len(pairs))
        for begin in range(0, len(pairs), EVERY):
            _interval(front, session, state, pairs[begin : begin + EVERY], reference, lease)
        say(f"round {number} of {max(number, session.rounds)}: {counted(len(pairs), 'timing')}")
    for finalist in front.finalists:
        for latency in latencies:
            yield _line(front, finalist, latency.name, state)


def _interval(
    front: FrontFile, session: Session, state: _State, pairs: Sequence[Pair], reference: Reference, lease: Lease
) -> None:
    """Some models between two timings of the reference; again where these do not agree."""
    attempts = 0
    while attempts < ATTEMPTS:
        attempts += 1
        with lease.alone():
            before = reference.time()
            found = {
                (f.id, latency.name): measured
                for f, latency in pairs
                if (measured := _timed(front, session, state, f, latency)) is not None
            }
            drift = Drift(before, reference.time())
        if not drift.is_contended:
            break
    for pair, measured in found.items():
        state.rounds.setdefault(pair, []).append(Round(measured, drift, attempts))


def _timed(
    front: FrontFile, session: Session, state: _State, finalist: Finalist, latency: Latency
) -> Measurement | None:
    """A model's latency, or None where it failed, now or before; a network that cannot be captured is timed eagerly."""
    pair = (finalist.id, latency.name)
    if pair in state.failed:
        return None
    mode = session.latency(EAGER.name) if latency.name == GRAPH.name and finalist.id in state.instead else latency
    try:
        return mode.measure(front.build(finalist, session.device))
    except ModeError as error:
        if latency.name == GRAPH.name:
            state.time_eagerly(finalist, latency.name, error.what)
            return _timed(front, session, state, finalist, latency)
        state.failed[pair] = error.to_dict()
    except MachineError:  # no fault of the model's
        raise
    except NasMooError as error:
        state.failed[pair] = error.to_dict()
    except Exception as error:  # noqa: BLE001 - a user's network may raise anything, and costs its own line only
        is_memory = is_out_of_memory(error)
        state.failed[pair] = {
            "error": "oom" if is_memory else type(error).__name__,
            "value": str(error)[:300],
            "do": "Time it on a device with more memory." if is_memory else "Mend the network, or the space.",
        }
    free_memory(session.device)
    return None


def _header(front: FrontFile, session: Session) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": "session",
        "study": front.study,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": fingerprint(session.device).to_dict(),
        "options": {
            "modes": list(session.modes), "batch": session.batch, "precision": session.precision,
            "rounds": session.rounds, "cold_cache": session.cold_cache, "seed": session.seed,
        },
        "timing": [vars(f) for f in timing_trust(session.device)],
    }  # fmt: skip


def _line(front: FrontFile, finalist: Finalist, mode: str, state: _State) -> dict[str, Any]:
    told = {
        "format": FORMAT, "kind": "latency", "study": front.study, "id": finalist.id,
        "digest": finalist.architecture.digest, "network_digest": finalist.architecture.network_digest,
        "code_digest": front.space.code_digest, "asked": mode,
    }  # fmt: skip
    if (finalist.id, mode) in state.failed:
        return told | {"kind": "failed", **state.failed[finalist.id, mode]}
    combined = combine(state.rounds[finalist.id, mode])
    why = state.instead.get(finalist.id) if mode == GRAPH.name else None
    return told | {"mode": combined["key"]["mode"], "instead_of_asked": why} | combined


def summary(line: dict[str, Any]) -> str:
    """A line of the file as a person reads it."""
    if line["kind"] == "failed":
        return f"{line['id']}  {line['asked']:<17} failed: {line['error']}: {line['value']}"
    value, low, high = (format_quantity(line[end], line["unit"], 4) for end in ("value", "low", "high"))
    caveats = f"  ({', '.join(line['caveats'])})" if line["caveats"] else ""
    instead = f"  in place of {line['asked']}: {line['instead_of_asked']}" if line["instead_of_asked"] else ""
    return f"{line['id']}  {line['mode']:<17} {value}  ({low} to {high}){caveats}{instead}"

"""A study as frozen tables: the one thing that reports and choosing read. Needs neither torch nor optuna."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nas_moo import choose as choosing
from nas_moo.choose import Choice, ObjectiveInfo
from nas_moo.errors import StudyMismatchError, UnknownNameError, UserInputError
from nas_moo.evaluation import OUTBID, Evaluation, open_seal
from nas_moo.identity import differences
from nas_moo.measurement import split_tail
from nas_moo.pareto import Array, nondominated, scaled

ID_LENGTH = 8
REFERENCE_TRIALS = 10  # complete trials after which the hypervolume's reference point is frozen
REPORTS = "nas_moo.reports"
RECORDED = "recorded"  # in place of a validation: a table answered
_FIRST_COLUMNS = (
    "number", "id", "digest", "network_digest", "state", "kind", "reason", "trained", "epochs", "epochs_run",
    "continues", "origin", "generation",
)  # fmt: skip
PRUNING_COLUMNS = (
    "number", "id", "control", "pruner", "quantile", "epoch", "last_error", "predicted", "bound", "threshold",
    "rival", "rival_error", "finished", "level", "outbid", "reason",
)  # fmt: skip
TRIAL_COLUMNS = (*_FIRST_COLUMNS, "seconds", "worker", "started", "front")  # no objective may have these names


@dataclass(frozen=True, eq=False)
class StudyResult:
    """One study at one moment.

    Attributes:
        name: Of the study.
        description: How it was made, as plain JSON: space, data, objectives, splits, seeds, versions, device.
        objectives: In the study's order.
        trials: A row a trial, by number: ``number, id, digest, network_digest, state, kind, reason, trained, epochs``
            (of its curve), ``epochs_run`` (by itself), ``continues`` (number of the pruned trial it goes on with),
            ``origin`` (see ``ORIGINS``), ``generation`` (of samplers that breed in generations); for each objective
            its value, ``_low`` and ``_high`` (NaN where it was not reached); ``gene_<name>`` (empty where inactive);
            ``seconds`` and ``seconds_<stage>``; ``worker, started``; ``front`` (complete and not dominated).
        epochs: A row an epoch: ``number, id, epoch, error, train_loss, learning_rate, seconds``; those that a trial
            inherited from the one it continues, too.
        measurements: A row a measurement: ``number, id, objective, value, low, high, unit, interval, n, method,
            details``.
        prunings: A row a decision to stop a training, followed or (``control``) overruled: ``number, id, control,
            pruner, quantile, epoch, last_error, predicted, bound, threshold, rival, rival_error, finished, level,
            outbid, reason``; see ``Judgement``.
    """

    name: str
    description: Mapping[str, Any]
    objectives: tuple[ObjectiveInfo, ...]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    measurements: pd.DataFrame
    prunings: pd.DataFrame
    _seals: Mapping[str, str] = field(default_factory=dict, repr=False)
    _load_model: Callable[[str], Any] | None = field(default=None, repr=False)
    _record_unsealing: Callable[[Sequence[str], str], None] | None = field(default=None, repr=False)

    @cached_property
    def complete(self) -> pd.DataFrame:
        """The rows of ``trials`` that have every objective."""
        return self.trials[self.trials["state"] == "complete"]

    @property
    def replayed(self) -> bool:
        """A recorded table answered the search: no storage has the study, and nothing was trained."""
        return self.description.get("validation") == RECORDED

    @property
    def done(self) -> int:
        """Trainings as ``--trials`` counts them: not outbid, and once where one goes on later.

        Of a study of costs alone, the complete trials.
        """
        if not any(o.stage == "trained" for o in self.objectives):
            return len(self.complete)
        counted = self.trials[self.trials["trained"] & (self.trials["kind"] != OUTBID)].sort_values("number")
        goes_on = counted["continues"].notna() & counted.duplicated("digest")
        return int((~goes_on).sum())

    def require_one_key(self) -> None:
        """Refuse to compare models whose numbers were measured on different devices, or under different software.

        Raises:
            StudyMismatchError: some were.
        """
        if self._differing_keys:
            told = "; ".join(f"{k}: {' and '.join(map(str, v))}" for k, v in self._differing_keys.items())
            raise StudyMismatchError(
                f"study {self.name!r} has models that were measured under more than one key, which make no front",
                value=told,
                do="Search again under one, or time the front's models on one device: nas-moo measure.",
            )

    @cached_property
    def _differing_keys(self) -> dict[str, list[Any]]:
        rows = self.measurements[self.measurements["number"].isin(self.complete["number"])]
        found: dict[str, list[Any]] = {}
        for _, own in rows.groupby("objective"):
            found |= differences(d["key"] for d in own["details"] if "key" in d)
        return found

    def front(self) -> pd.DataFrame:
        """The models that no other complete one dominates, by ascending first objective.

        Columns: ``id``, each objective with its interval, the genes, ``number`` and ``digest``.

        Raises:
            StudyMismatchError: as ``require_one_key``.
        """
        self.require_one_key()
        columns = ["id"]
        for o in self.objectives:
            columns += [o.name, f"{o.name}_low", f"{o.name}_high"]
        columns += [c for c in self.trials.columns if c.startswith("gene_")] + ["number", "digest"]
        rows = self.trials[self.trials["front"]]
        return rows[columns].sort_values([o.name for o in self.objectives], kind="stable").reset_index(drop=True)

    def coordinates(self, rows: pd.DataFrame) -> Array:
        """The objectives of these rows, costs in logarithm: what hypervolume and knee are computed in."""
        values = rows[[o.name for o in self.objectives]].to_numpy(dtype=float)
        return scaled(values, [o.log for o in self.objectives])

    def hypervolume_reference(self) -> tuple[Array, int] | None:
        """The stored reference point in the objectives' own units, and how many complete trials fixed it.

        While fewer trials are complete than fix it, it is provisional: the worst value so far x 1.1. None where no
        trial is complete.
        """
        stored = self.description.get("hypervolume_reference")
        if stored is not None:
            return np.array([stored["values"][o.name] for o in self.objectives], dtype=float), int(stored["trials"])
        if self.complete.empty:
            return None
        return reference_point(self.complete[[o.name for o in self.objectives]].to_numpy(dtype=float)), len(
            self.complete
        )

    def choose(self, max: Mapping[str, str | float] | None = None, by: str | None = None) -> Choice:  # noqa: A002
        """The model to deploy: the knee, or the best under limits such as ``{"latency": "2ms"}``.

        Raises:
            StudyMismatchError: as ``require_one_key``.
        """
        self.require_one_key()
        models = self.complete
        for name in choosing.parse_limits(max or {}, self.objectives):
            base, tail = split_tail(name)
            if name not in models:
                models = models.assign(**{f"{name}_high": models["number"].map(self._percentiles(base, tail))})
        return choosing.choose(models, self.objectives, max, by)

    def _percentiles(self, objective: str, tail: str) -> dict[int, float]:
        """By trial number; NaN where a measurement has none."""
        rows = self.measurements[self.measurements["objective"] == objective]
        values = [np.nan if (v := d.get(tail)) is None else float(v) for d in rows["details"]]
        return dict(zip(rows["number"].astype(int), values, strict=True))

    def find(self, model: str) -> pd.Series:
        """The row of the model whose id or digest begins with ``model``: its complete trial, else the last one.

        A duplicate says nothing of the model, so that comes last.

        Raises:
            UnknownNameError: no trial has it.
            UserInputError: several architectures begin with it.
        """
        rows = self.trials[self.trials["digest"].str.startswith(model)] if model else self.trials.iloc[:0]
        if rows.empty:
            front = self.trials.loc[self.trials["front"], "id"]
            raise UnknownNameError("model", model, front, also="These are the front." if len(front) else "")
        if rows["digest"].nunique() > 1:
            raise UserInputError(
                "several models begin with this", value=model, do=f"One of: {', '.join(rows['id'].unique())}."
            )
        worth = rows["state"].map({"complete": 2, "duplicate": 0}).fillna(1)
        return rows.assign(worth=worth).sort_values(["worth", "number"]).drop(columns="worth").iloc[-1]

    def model(self, id: str) -> Any:  # noqa: A002
        """The trained ``nn.Module`` of a model on the front, in evaluation mode, on the CPU."""
        row = self.find(id)
        if self._load_model is None:
            raise UserInputError(
                "these tables came without weights", value=id, do="Load the study: nas_moo.load_study(name)."
            )
        return self._load_model(str(row["digest"]))

    def unseal(self, ids: Iterable[str] | None = None, *, purpose: str) -> pd.DataFrame:
        """Open the locked test values of these models (default: the front), and record in the study that it was done.

        Returns:
            A row a model that has one: ``id, test, test_low, test_high, interval``, in the trained objective's unit.
        """
        wanted = list(self.front()["id"] if ids is None else ids)
        sealed = [i for i in wanted if i in self._seals]
        if sealed and self._record_unsealing is not None:
            self._record_unsealing(sealed, purpose)
        opened = [(i, open_seal(self._seals[i])) for i in sealed]
        return pd.DataFrame(
            [(i, m.value, m.low, m.high, m.interval) for i, m in opened],
            columns=["id", "test", "test_low", "test_high", "interval"],
        )

    def report(
        self,
        out: str | Path | None = None,
        measurements: Sequence[str | Path] = (),
        format: str = "html",  # noqa: A002  as the option is called
    ) -> Path:
        """Write the report; see ``nas-moo report``.

        Args:
            out: A folder; default ``STUDY-report``, or ``STUDY-FORMAT`` for a format other than "html".
            measurements: Files that ``nas-moo measure`` wrote, on any machine.
            format: "html": everything; "md": the same page as Markdown; "png": the figures; "csv": the tables.

        Returns:
            The path of its page; of a folder where the format has none.
        """
        (writer,) = entry_points(group=REPORTS, name="html")
        folder = Path(out) if out is not None else Path(f"{self.name}-{'report' if format == 'html' else format}")
        return Path(writer.load()(self, folder, measurements, format))


def reference_point(values: Array) -> Array:
    """Where hypervolume is measured from: the worst value of each objective x 1.1, or a tenth beyond one below zero."""
    worst = values.max(axis=0)
    beyond = np.where(worst == 0, np.maximum(np.ptp(values, axis=0), 1.0), np.abs(worst))
    return np.asarray(worst + 0.1 * beyond)


def build_result(
    name: str,
    description: Mapping[str, Any],
    evaluations: Sequence[Evaluation],
    *,
    seals: Mapping[str, str] | None = None,
    load_model: Callable[[str], Any] | None = None,
    record_unsealing: Callable[[Sequence[str], str], None] | None = None,
) -> StudyResult:
    """Make the tables from a study's evaluations.

    Args:
        name: Of the study.
        description: Its ``objectives`` are read: a list of ``ObjectiveInfo`` as plain JSON.
        evaluations: By number.
        seals: Sealed test measurements by model id.
        load_model: Gives the trained network of a digest.
        record_unsealing: Is told which models' seals are opened, and what for.
    """
    objectives = tuple(ObjectiveInfo(**o) for o in description["objectives"])
    trials = _trials_table(evaluations, objectives, [g["name"] for g in description["genome"]])
    return StudyResult(
        name, description, objectives, trials, _epochs_table(evaluations), _measurements_table(evaluations),
        _prunings_table(evaluations), dict(seals or {}), load_model, record_unsealing,
    )  # fmt: skip


def _trials_table(
    evaluations: Sequence[Evaluation], objectives: Sequence[ObjectiveInfo], genes: Sequence[str]
) -> pd.DataFrame:
    rows = []
    for e in evaluations:
        row: dict[str, Any] = {
            "number": e.number, "id": e.architecture.digest[:ID_LENGTH], "digest": e.architecture.digest,
            "network_digest": e.architecture.network_digest, "state": e.outcome.state, "kind": e.outcome.kind,
            "reason": e.outcome.reason, "trained": e.outcome.trained, "epochs": len(e.curve),
            "epochs_run": len(e.curve) - e.inherited, "continues": e.continues,
            "origin": e.origin, "generation": e.generation,
        }  # fmt: skip
        for o in objectives:
            m = e.measurements.get(o.name)
            row[o.name], row[f"{o.name}_low"], row[f"{o.name}_high"] = (m.value, m.low, m.high) if m else (np.nan,) * 3
        row |= {f"gene_{g}": e.architecture.get(g) for g in genes}
        row["seconds"] = sum(e.seconds.values())
        row |= {f"seconds_{stage}": seconds for stage, seconds in e.seconds.items()}
        rows.append(row | {"worker": e.worker, "started": e.started})
    fixed = [*_FIRST_COLUMNS]
    for o in objectives:
        fixed += [o.name, f"{o.name}_low", f"{o.name}_high"]
    fixed += [f"gene_{g}" for g in genes] + ["seconds"]
    stages = sorted({c for row in rows for c in row if c.startswith("seconds_")})
    table = pd.DataFrame(rows, columns=[*fixed, *stages, "worker", "started"])
    for gene in genes:  # a column of 2 and nothing would become one of 2.0
        table[f"gene_{gene}"] = pd.Series([row[f"gene_{gene}"] for row in rows], dtype=object)
    table["trained"] = table["trained"].astype(bool)
    for whole in ("continues", "generation"):
        table[whole] = table[whole].astype("Int64")
    table["front"] = False
    complete = table.index[table["state"] == "complete"]
    table.loc[complete, "front"] = nondominated(table.loc[complete, [o.name for o in objectives]].to_numpy(dtype=float))
    return table


def _epochs_table(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    rows = [
        (e.number, e.architecture.digest[:ID_LENGTH], r.epoch, r.error, r.train_loss, r.learning_rate, r.seconds)
        for e in evaluations
        for r in e.curve
    ]
    return pd.DataFrame(rows, columns=["number", "id", "epoch", "error", "train_loss", "learning_rate", "seconds"])


def _prunings_table(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    rows = [
        {"number": e.number, "id": e.architecture.digest[:ID_LENGTH]} | vars(e.judgement)
        for e in evaluations
        if e.judgement is not None
    ]
    table = pd.DataFrame(rows, columns=list(PRUNING_COLUMNS))
    numbers = ("quantile", "last_error", "predicted", "bound", "threshold", "rival_error")
    table[list(numbers)] = table[list(numbers)].astype(float)
    table["rival"] = table["rival"].astype("Int64")
    for name in ("control", "outbid"):
        table[name] = table[name].astype(bool)
    return table


def _measurements_table(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    rows = [
        (
            e.number,
            e.architecture.digest[:ID_LENGTH],
            name,
            m.value,
            m.low,
            m.high,
            m.unit,
            m.interval,
            m.n,
            m.method,
            m.details,
        )
        for e in evaluations
        for name, m in e.measurements.items()
    ]
    columns = ["number", "id", "objective", "value", "low", "high", "unit", "interval", "n", "method", "details"]
    return pd.DataFrame(rows, columns=columns)

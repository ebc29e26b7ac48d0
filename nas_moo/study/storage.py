"""Where studies live: an Optuna storage, and a folder of files beside it for weights, logs and worker locks."""

from __future__ import annotations

import gc
import logging
import re
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import TrialState

from nas_moo.errors import CorruptError, StudyMismatchError, UnknownNameError, UserInputError, hide_password
from nas_moo.genome import Architecture
from nas_moo.identity import same_hosts
from nas_moo.measurement import split_tail
from nas_moo.results import ID_LENGTH, StudyResult, build_result
from nas_moo.study import weights
from nas_moo.study.columns import read_trials
from nas_moo.study.contention import marked, read_contentions, reference_times
from nas_moo.study.database import (
    DEFAULT_STORAGE,
    STORAGE_VARIABLE,
    check_ours,
    default_storage,
    open_database,
    sqlite_path,
    storage_errors,
)
from nas_moo.study.record import SEALED, read_evaluation, read_outcome

DESCRIPTION, REFERENCE, UNSEALED = "nas_moo", "nas_moo:hypervolume_reference", "nas_moo:unsealed"
FORMAT = 1
_OF_A_RUN = (
    "command", "sampler", "population", "screening", "seed_architectures", "pruner", "pruner_quantile", "control_share",
    "thaw", "trials", "limits", "threads", "device", "versions",
)  # fmt: skip
_OF_TODAY = ("trials", "limits", "sampler", "pruner", "pruner_quantile", "space", "data")
_LONGEST_NAME = 100
_LONGEST_VALUE, _BEFORE = 120, 20  # characters of a value in a message, and of what comes before a difference
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_study_name(name: str) -> str:
    """Return the name; raise where it would not do as a file name."""
    if not _NAME.fullmatch(name) or ".." in name or len(name) > _LONGEST_NAME:
        raise UserInputError(
            "this is no name for a study",
            value=name,
            do=f"Use letters, digits, '.', '_' and '-', at most {_LONGEST_NAME}.",
        )
    return name


def default_study_name(space: str, data: str) -> str:
    """``SPACE-DATA``, with what no name may have (a file's blanks, accents ...) replaced by "-"."""
    plain = re.sub(r"[^A-Za-z0-9._]+|\.{2,}", "-", f"{space}-{data}")
    return check_study_name(plain.strip("-._")[:_LONGEST_NAME] or "study")


class Storage:
    """One database and its folder.

    Args:
        place: A path (SQLite) or an SQLAlchemy URL.
        create: Make the SQLite file where there is none.

    Raises:
        UserInputError: there is no such file and none may be made, or the URL is none.
        CorruptError: the file is no database of Optuna's; it is left as it is.
        MachineError: the database does not answer, or its folder cannot be written.
    """

    def __init__(self, place: str | Path = DEFAULT_STORAGE, *, create: bool = False) -> None:
        self.place = hide_password(str(place))  # it is shown, and the URL itself opened
        self.path = sqlite_path(str(place))
        if self.path is not None and self.path.is_dir():
            raise UserInputError("the study storage is a folder", value=self.place, do="Name a file, such as my.db.")
        if self.path is not None and not self.path.is_file() and not create:
            raise UserInputError(
                "there is no study storage here",
                value=self.place,
                do=f"Run a search first, or name the storage with --storage or {STORAGE_VARIABLE}.",
            )
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # SQLAlchemy logs the traceback of a Ctrl-C that meets it at work, before it raises it on.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        with storage_errors(self.place):
            if self.path is not None and self.path.is_file():
                check_ours(self.path, self.place)
            self.optuna = open_database(str(place), self.path)

    @staticmethod
    def is_there(place: str) -> bool:
        """Whether opening it would make nothing: every database but an SQLite file that does not exist."""
        path = sqlite_path(place)
        return path is None or path.is_file()

    @property
    def folder(self) -> Path:
        """Of the files beside the database."""
        return (self.path.parent if self.path is not None else Path.cwd()) / "nas-moo-files"

    def names(self) -> list[str]:
        """Of the studies that nas-moo made here, sorted."""
        with storage_errors(self.place):
            studies = self.optuna.get_all_studies()
        return sorted(s.study_name for s in studies if DESCRIPTION in s.user_attrs)

    def has(self, name: str) -> bool:
        """Whether a study of this name is stored, ours or not; not one that a kill cut off before it was described."""
        with storage_errors(self.place):
            return any(
                s.study_name == name and (s.user_attrs or self.optuna.get_n_trials(s._study_id))
                for s in self.optuna.get_all_studies()
            )

    def open(self, name: str) -> StoredStudy:
        """A study that is there.

        Raises:
            UnknownNameError: it is not.
            CorruptError: it is not one of nas-moo's.
        """
        if not self.has(name):
            raise UnknownNameError("study", name, self.names(), also=f"Looked in {self.place}.")
        with storage_errors(self.place):
            study = optuna.load_study(study_name=name, storage=self.optuna)
        return StoredStudy(self, study)

    def create(self, name: str, description: Mapping[str, Any]) -> StoredStudy:
        """A new study, every objective minimised; or the one that another worker made at the same moment."""
        directions = [StudyDirection.MINIMIZE] * len(description["objectives"])
        if self.path is None:  # a server has no folder: the files stay where the study was begun
            description = {**description, "files": str(self.folder / name)}
        with storage_errors(self.place):
            study = optuna.create_study(
                study_name=name, storage=self.optuna, directions=directions, load_if_exists=True
            )
            if DESCRIPTION not in study.user_attrs and study.directions == directions:
                study.set_user_attr(DESCRIPTION, dict(description))
                _name_objectives(study, [o["name"] for o in description["objectives"]])
        return StoredStudy(self, study)

    def delete(self, name: str) -> None:
        """Remove a study, its weights and its log."""
        folder = self.open(name).folder
        with storage_errors(self.place):
            optuna.delete_study(study_name=name, storage=self.optuna)
            if folder.exists():
                shutil.rmtree(folder)


class StoredStudy:
    """One study in its storage."""

    def __init__(self, storage: Storage, study: optuna.Study) -> None:
        self.storage, self.optuna = storage, study
        self.name = study.study_name
        if DESCRIPTION not in study.user_attrs:
            raise CorruptError(
                "this study was not made by nas-moo", value=self.name, do="Choose another name with --study."
            )
        if self.description["format"] != FORMAT:
            raise CorruptError(
                "this study is stored in another format",
                value=self.description["format"],
                do=f"This nas-moo reads format {FORMAT}; use the version that made it.",
            )

    @property
    def folder(self) -> Path:
        """Of its weights and its log."""
        return Path(self.optuna.user_attrs[DESCRIPTION].get("files") or self.storage.folder / self.name)

    @property
    def description(self) -> dict[str, Any]:
        """How the study was made, with what became known since."""
        stored = self.optuna.user_attrs
        told = dict(stored[DESCRIPTION])
        told["hypervolume_reference"] = stored.get(REFERENCE)
        told["unsealed"] = stored.get(UNSEALED, [])
        told["reference_times"] = reference_times(stored)
        return told

    def begin_run(self, description: Mapping[str, Any]) -> None:
        """Take over what may differ from run to run, and note the run: a study can be begun here and ended there."""
        told = dict(self.optuna.user_attrs[DESCRIPTION])
        told |= {key: description[key] for key in _OF_TODAY}
        run = {key: description[key] for key in _OF_A_RUN} | {"when": now()}
        told["runs"] = [*told.get("runs", []), run]
        with storage_errors(self.storage.place):
            self.optuna.set_user_attr(DESCRIPTION, told)

    def is_worthless(self) -> bool:
        """It holds nothing but networks that did not build."""
        outcomes = [read_outcome(t) for t in self.trials() if t.state != TrialState.WAITING]
        return all(o.state == "failed" and not o.trained for o in outcomes)

    def is_same(self, identity: Mapping[str, Any]) -> bool:
        """Whether everything that the results depend on is as it was."""
        stored, today = _without_unknown_hosts(self.description["identity"], identity)
        return stored == today

    def check_same(self, identity: Mapping[str, Any], limits: Iterable[str] = ()) -> None:
        """Refuse to go on where something that the results depend on differs.

        Args:
            identity: Of the search that wants to go on.
            limits: Names of its limits: whether one is on a percentile decides how calls are timed.

        Raises:
            StudyMismatchError: names the first difference.
        """
        stored, today = _without_unknown_hosts(self.description["identity"], identity)
        for key, now in today.items():
            if stored.get(key) != now:
                if key == "methods_of_measurement":
                    _check_percentiles(self.name, self.description["limits"], limits)
                raise StudyMismatchError(
                    f"study {self.name!r} was begun with a different value of {key.replace('_', ' ')!r} "
                    f"({_short(stored.get(key), now)})",
                    value=_short(now, stored.get(key)),
                    do="Go on with the same, or name a new study with --study.",
                )

    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """Every trial, by number; not to be changed."""
        with storage_errors(self.storage.place):
            return self.optuna.get_trials(deepcopy=False)

    def fix_reference(self, values: Mapping[str, float], trials: int) -> None:
        """Freeze the hypervolume's reference point, once."""
        if REFERENCE not in self.optuna.user_attrs:
            self.optuna.set_user_attr(REFERENCE, {"values": dict(values), "trials": trials})

    def result(self) -> StudyResult:
        """The study as it stands."""
        description = self.description
        training = frozenset(g["name"] for g in description["genome"] if g["affects"] == "training")
        with storage_errors(self.storage.place):
            stored = read_trials(self.storage.optuna, self.optuna._study_id)
        kept = [t for t in stored if "digest" in t.user_attrs]
        seals = {
            t.user_attrs["digest"][:ID_LENGTH]: t.user_attrs[SEALED]
            for t in kept
            if t.state == TrialState.COMPLETE and SEALED in t.user_attrs
        }
        architectures = {t.user_attrs["digest"]: t.user_attrs["architecture"] for t in kept}

        def load(digest: str) -> Any:
            return weights.load(self.folder, digest, Architecture(architectures[digest], training), description)

        evaluations = marked((read_evaluation(t, training) for t in kept), read_contentions(self.optuna.user_attrs))
        return build_result(
            self.name, description, evaluations, seals=seals, load_model=load, record_unsealing=self._record_unsealing
        )

    def _record_unsealing(self, models: Sequence[str], purpose: str) -> None:
        """Note each opening for a purpose once: opening the same seals again reveals nothing new."""
        noted = self.optuna.user_attrs.get(UNSEALED, [])
        known = {m for entry in noted if entry["purpose"] == purpose for m in entry["models"]}
        fresh = [m for m in models if m not in known]
        if fresh:
            entry = {"when": now(), "models": fresh, "purpose": purpose}
            self.optuna.set_user_attr(UNSEALED, [*noted, entry])


def load_study(name: str, storage: str | Path | None = None) -> StudyResult:
    """Read a study.

    Args:
        name: As ``nas-moo studies`` lists it.
        storage: A path or URL; default ``NAS_MOO_STORAGE`` or ``nas-moo.db``.
    """
    with _collected_later():
        return Storage(default_storage(storage)).open(name).result()


@contextmanager
def _collected_later() -> Iterator[None]:
    """Inside, nothing looks for garbage: of a million objects from the database none is any, and looking takes half."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _name_objectives(study: optuna.Study, names: list[str]) -> None:
    """Tell Optuna what its values are, for its own plots and dashboard; it calls that experimental since 3.2."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(names)


def now(to: str = "seconds") -> str:
    """The time in ISO 8601 with time zone, to the second or to the "milliseconds"."""
    return datetime.now(UTC).isoformat(timespec=to)


def _without_unknown_hosts(
    stored: Mapping[str, Any], today: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two identities; one that does not know its host, as before hosts were told apart, goes on with any."""
    conditions = "conditions_of_measurement"
    if not stored.get(conditions) or not today.get(conditions):
        return dict(stored), dict(today)
    then, now = same_hosts(stored[conditions], today[conditions])
    return {**stored, conditions: then}, {**today, conditions: now}


def _check_percentiles(name: str, before: Iterable[str], today: Iterable[str]) -> None:
    """Say of a study that times otherwise today that a limit on a percentile is why, where it is."""
    had, has = ([limit for limit in limits if split_tail(limit)[1]] for limits in (before, today))
    why = "calls are timed one by one where a percentile is limited, and its latencies could not be compared"
    if has and not had:
        do = "Leave out its --max, or name a new study with --study."
        raise StudyMismatchError(f"study {name!r} was begun without this limit: {why}", value=", ".join(has), do=do)
    if had and not has:
        do = "Give a --max for it, a loose one if need be, or name a new study with --study."
        raise StudyMismatchError(f"study {name!r} was begun with this limit: {why}", value=", ".join(had), do=do)


def _short(value: Any, other: Any) -> str:
    """A value for a message: of two lists only what the other lacks, of long texts the part where they differ."""
    if isinstance(value, list) and isinstance(other, list):
        value, other = [v for v in value if v not in other] or value, [v for v in other if v not in value] or other
    text = str(value)
    if len(text) <= _LONGEST_VALUE:
        return text
    same = next((i for i, (a, b) in enumerate(zip(text, str(other), strict=False)) if a != b), len(str(other)))
    begin = max(same - _BEFORE, 0)
    end = begin + _LONGEST_VALUE
    return f"{'...' if begin else ''}{text[begin:end]}{'...' if end < len(text) else ''}"

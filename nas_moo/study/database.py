"""The database under a storage: where it is, how it is opened, and what it throws."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import sqlalchemy.exc
from optuna.storages import RDBStorage

from nas_moo.errors import CorruptError, MachineError, UserInputError, hide_password
from nas_moo.space import user_path

DEFAULT_STORAGE = "nas-moo.db"
STORAGE_VARIABLE = "NAS_MOO_STORAGE"
OPENINGS = 20  # attempts, where another worker makes the tables at the same moment
SQLITE_TIMEOUT = 60.0  # seconds; outlives a lock that SQLite's default of 5 gives up on


def default_storage(given: str | Path | None) -> str:
    """The storage that was given, or the environment's, or ``nas-moo.db`` here."""
    return str(given) if given is not None else os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE


def sqlite_path(place: str) -> Path | None:
    """The absolute path of an SQLite file; None where the place is another database."""
    if "://" not in place:
        return user_path(place)
    scheme, _, rest = place.partition("://")
    if scheme.partition("+")[0] != "sqlite":
        return None
    if "?" in rest:
        raise UserInputError(
            "options of an SQLite URL are not understood", value=place, do="Leave out '?' and the rest."
        )
    return Path(rest.removeprefix("/")).absolute()


def open_database(place: str, path: Path | None) -> RDBStorage:
    """Open a database, and make an SQLite file where there is none."""
    if path is None:
        try:
            return RDBStorage(place)
        except (sqlalchemy.exc.ArgumentError, ImportError) as e:
            raise UserInputError(
                f"the study storage's URL cannot be used ({str(e).splitlines()[0]})",
                value=hide_password(place),
                do="Check the URL, and install the database's Python driver.",
            ) from e
    path.parent.mkdir(parents=True, exist_ok=True)

    def connect() -> sqlite3.Connection:
        """A listener on the engine would come too late: connections are pooled before it can be added."""
        connection = sqlite3.connect(path, timeout=SQLITE_TIMEOUT, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    try:
        return _opened(lambda: RDBStorage(f"sqlite:///{path}", engine_kwargs={"creator": connect}))
    except RuntimeError as e:  # a schema of another version
        raise CorruptError(
            f"the study storage has another version ({e})", value=place, do="Use the Optuna that made it."
        ) from e


def _opened(make: Callable[[], RDBStorage]) -> RDBStorage:
    """Open, again where another worker was a moment faster in making a table: Optuna makes them without a lock."""
    for _ in range(OPENINGS - 1):
        try:
            return make()
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.OperationalError) as e:
            if "alembic_version" not in str(e) and "already exists" not in str(e):
                raise
            time.sleep(0.1)
    return make()


def check_ours(path: Path, place: str) -> None:
    """Refuse a database of something else, in which Optuna would make its tables."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=SQLITE_TIMEOUT)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "studies" not in tables:
        raise CorruptError("this database holds no studies", value=place, do="Name another file with --storage.")


@contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Turn what a database throws into our errors."""
    try:
        yield
    except BrokenPipeError:  # of a reader of our output, not of a database
        raise
    except (
        sqlite3.DatabaseError,
        sqlalchemy.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        OSError,
    ) as e:
        text = str(getattr(e, "orig", None) or e.__cause__ or e).splitlines()[0]
        if "not a database" in text or "malformed" in text:
            raise CorruptError(
                f"the study storage cannot be read ({text})", value=place, do="Restore it from a copy, or name another."
            ) from e
        raise MachineError(
            f"the study storage does not work ({text})",
            value=place,
            do="Check the path, its rights and the disk's space.",
        ) from e

"""Who may use a device: one alone, to time on it, or several at once, to train on it.

Files beside each other, in a folder that every process of this machine finds (``NAS_MOO_LEASES`` names another, such as
one that several containers share), keyed by the GPU or the host's processor:

- ``KEY.turn``: who times holds its lock, and who wants to train takes it for a moment, in passing. So a process that
  waits for its turn to time keeps new trainings from beginning, and no training can starve it;
- ``KEY.PID-RANDOM.member``: each training holds the lock of its own file. Who times waits until nobody holds one. The
  random part tells containers apart that share the folder: processes of two may have the same PID;
- ``KEY.PID-RANDOM.process``: each process holds the lock of its own file from its first lease to its end. Those that do
  not time wait while one does, though the driver still counts them among the users of the GPU.

All users of the machine share the folder, as ``locks`` describes.

The operating system drops a lock when its process ends, whatever it dies of: a file that is left behind is no lease.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

import torch

from nas_moo.device import fingerprint
from nas_moo.errors import MachineError
from nas_moo.locks import POLL_S, Lock, is_held, make_folder, read, write

VARIABLE = "NAS_MOO_LEASES"
TIMEOUT_S = 3600.0
_SHOWN: dict[tuple[int, Path, str], Lock] = {}  # by process, so that a fork has its own
_ALONE: ContextVar[Lease | None] = ContextVar("alone", default=None)
NOTICE_S = 10.0  # of waiting, before it is said for whom


class TimeLimitReachedError(Exception):
    """The time of whoever asks is over, while others hold the device or between two epochs."""


class Share:
    """A training's part of a device, which it offers for timings between two epochs."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._path = lease.folder / f"{lease.key}.{os.getpid()}-{uuid.uuid4().hex}.member"
        self._lock = Lock(self._path)

    def pause(self) -> None:
        """Let those who wait to time have the device, and take part again after them.

        Raises:
            MachineError: they hold it for longer than the lease's time-out.
            TimeLimitReachedError: they hold it beyond the lease's deadline.
        """
        self.leave()
        self.enter()

    def enter(self) -> None:
        """Take part, once nobody times.

        Raises:
            MachineError: others hold it for longer than the lease's time-out.
            TimeLimitReachedError: they hold it beyond the lease's deadline.
        """
        end = self._lease.end()
        with self._lease.turn():
            self._lease.members()  # removes what dead trainings left behind: there may be nobody who times
            try:
                held = self._lock.acquire(end)
            except OSError as error:
                raise self._lease.cannot_be_kept(error.strerror) from error
            if not held:
                raise self._lease.given_up(frozenset(), "train", end)

    def leave(self) -> None:
        """Take part no longer."""
        self._path.unlink(missing_ok=True)  # first: nobody may find a file whose lock is free and take it for a death
        self._lock.release()


class Lease:
    """The right to use one device.

    Args:
        device: A CPU is the whole machine's; a GPU is known by its UUID, whatever its index here.
        timeout_s: How long to wait for others; default an hour, the longest epoch that a timing waits for.
        deadline: When the caller's own time is over, by ``time.monotonic``; no wait goes beyond it.
        folder: Of the files; default ``NAS_MOO_LEASES``, or one in the folder for temporary files.
        say: Is told, once a wait, for which processes a timing waits.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        timeout_s: float | None = None,
        deadline: float | None = None,
        folder: Path | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.device, self.timeout_s = device, TIMEOUT_S if timeout_s is None else timeout_s
        self.deadline = float("inf") if deadline is None else deadline
        self.key = _key(device)
        self._named = folder or _named_folder()
        self.folder = self._named or _default_folder()
        self._say = say

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the device to oneself, to time on it.

        Raises:
            MachineError: others hold it for longer than the time-out; the message names their processes.
            TimeLimitReachedError: they hold it beyond the deadline.
        """
        begun, end, said = time.monotonic(), self.end(), False
        with self.turn():
            while held := self.members():
                if not _left(end):
                    raise self.given_up(held, "train", end)
                if time.monotonic() - begun >= NOTICE_S and not said:
                    self._say(_waiting(held, "ends an epoch"))
                    said = True
                time.sleep(POLL_S)
            before = _ALONE.set(self)
            try:
                yield
            finally:
                _ALONE.reset(before)

    @contextmanager
    def shared(self) -> Iterator[Share]:
        """Use the device together with others, and with nobody who times."""
        self._make_folder()
        share = Share(self)
        share.enter()
        try:
            yield share
        finally:
            share.leave()

    def members(self) -> frozenset[int]:
        """The processes that share the device now; files of dead ones are removed.

        To be asked by who holds the turn: a file that is being made is not locked yet.
        """
        return frozenset(self._alive("member"))

    def neighbours(self) -> tuple[int, ...]:
        """The other processes that have leased this device, and live; those of two containers may have the same PID."""
        return tuple(self._alive("process"))

    def _alive(self, kind: str) -> Iterator[int]:
        """The processes that hold the locks of these files, but for our own of the second kind."""
        own = _process_file(self.folder, self.key)
        for path in self.folder.glob(f"{self.key}.*.{kind}"):
            # No lease makes a link.
            if path != own and not path.is_symlink() and is_held(path):
                yield int(path.name.removeprefix(f"{self.key}.").partition("-")[0])

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn, with this process named in the file beside it."""
        self._make_folder()
        lock, end = Lock(self.folder / f"{self.key}.turn"), self.end()
        try:
            held = lock.acquire(min(time.monotonic() + NOTICE_S, end))
            if not held:
                self._say(_waiting(self._holder(), "has timed its network"))
                held = lock.acquire(end)
        except OSError as error:
            raise self.cannot_be_kept(error.strerror) from error
        if not held:
            raise self.given_up(self._holder(), "time", end)
        try:
            self._write_holder(str(os.getpid()))
            yield
        finally:
            lock.release()

    def _holder(self) -> frozenset[int]:
        with suppress(OSError, ValueError):
            return frozenset({int(read(self._holder_path))})
        return frozenset()

    @property
    def _holder_path(self) -> Path:
        return self.folder / f"{self.key}.holder"

    def _write_holder(self, text: str) -> None:
        """For a message alone, so that a file that is not ours, or a full disk, is no reason to stop."""
        with suppress(OSError):
            write(self._holder_path, text)

    def _make_folder(self) -> None:
        try:
            make_folder(self.folder)
            if self._named is None and self.folder.is_symlink():  # anybody may have laid it
                raise self.cannot_be_kept("it is a symbolic link")
            _show_process(self.folder, self.key)
        except OSError as error:
            raise self.cannot_be_kept(error.strerror) from error

    def cannot_be_kept(self, why: str | None) -> MachineError:
        """What is wrong with the folder, to be raised."""
        return MachineError(
            f"the leases of this machine's devices cannot be kept here ({why})",
            value=str(self.folder),
            do=f"Name a folder that can be written with {VARIABLE}.",
        )

    def end(self) -> float:
        """Until when a wait that begins now may last."""
        return min(time.monotonic() + self.timeout_s, self.deadline)

    def given_up(self, processes: frozenset[int], what: str, end: float) -> MachineError | TimeLimitReachedError:
        """Why a wait that was to last until then is over, to be raised."""
        told = f"process {_told(processes)}"
        if end == self.deadline:
            return TimeLimitReachedError(f"the time limit was reached while {told} held {self.device} to {what}")
        return MachineError(
            f"{self.device} is in use: processes of nas-moo {what} on it, and have not let go for {self.timeout_s:g} s",
            value=told,
            do="Wait until they have ended, stop them, or take another --device.",
        )


def waiting(device: torch.device) -> tuple[int, ...]:
    """The processes that leave this device to us, because we hold it alone; none where we do not."""
    lease = _ALONE.get()
    return lease.neighbours() if lease is not None and lease.key == _key(device) else ()


def _show_process(folder: Path, key: str) -> None:
    """Hold the lock of this process's file, until the process ends."""
    place = os.getpid(), folder, key
    if place not in _SHOWN:
        _SHOWN[place] = Lock(folder / f"{key}.{os.getpid()}-{uuid.uuid4().hex}.process")
    # Once more where somebody removed it: all of its folder, as a rule. Where another looks at it, that takes no time.
    if not _SHOWN[place].path.exists():
        _SHOWN[place].release()
        _SHOWN[place].acquire(time.monotonic() + 1.0)


def _process_file(folder: Path, key: str) -> Path | None:
    shown = _SHOWN.get((os.getpid(), folder, key))
    return None if shown is None else shown.path


@atexit.register
def _hide_process() -> None:
    """For tidiness: without its process a file is no lease, and the next one to look removes it."""
    for (process, *_), lock in _SHOWN.items():
        if process == os.getpid():  # and not what a fork copied from its parent
            with suppress(OSError):
                lock.path.unlink()


def _waiting(processes: frozenset[int], until: str) -> str:
    return f"waiting for the device, until process {_told(processes)} {until}"


def _told(processes: frozenset[int]) -> str:
    return ", ".join(f"{p} (stopped)" if _is_stopped(p) else str(p) for p in sorted(processes)) or "unknown"


def _is_stopped(process: int) -> bool:
    """Whether it was suspended, and lets nothing go until it is continued; False where that cannot be read."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return told.rpartition(")")[2].split()[:1] == ["T"]  # a command's name may hold blanks and parentheses


def _left(end: float) -> float:
    return max(end - time.monotonic(), 0.0)


def _named_folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def _default_folder() -> Path:
    return Path(tempfile.gettempdir()) / "nas-moo-leases"


def _key(device: torch.device) -> str:
    """Fit for a file name: a GPU by its UUID; a CPU, and what has no UUID, by its host."""
    if device.type == "cuda" and (uuid := fingerprint(device).uuid):
        return f"gpu-{re.sub(r'[^0-9A-Za-z-]', '', uuid)}"
    host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]
    return f"{device.type}{device.index or ''}-{host}"

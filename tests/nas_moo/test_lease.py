import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from nas_moo.errors import MachineError
from nas_moo.lease import Lease, TimeLimitReachedError, waiting
from nas_moo.objectives import latency

CPU = torch.device("cpu")
OTHER = """
import sys, torch
from pathlib import Path
from nas_moo.lease import Lease
with getattr(Lease(torch.device("cpu"), folder=Path(sys.argv[1])), sys.argv[2])():
    print("ready", flush=True)
    sys.stdin.read()
"""
# What is imported late is imported while the user may still read it.
AS_ANOTHER_USER = f"""
import os, sys, torch
from pathlib import Path
from nas_moo.lease import Lease
with Lease(torch.device("cpu"), folder=Path(sys.argv[4])).shared():
    pass
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[3]))
{OTHER}"""


@pytest.fixture
def lease(tmp_path):
    """Makes leases on one device."""

    def lease(timeout_s=10.0, **more):
        return Lease(CPU, timeout_s=timeout_s, folder=tmp_path / "leases", **more)

    return lease


@pytest.fixture
def other(tmp_path):
    """Starts another process that holds the lease until its input ends."""
    started = []

    def other(how):
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(tmp_path / "leases"), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process

    yield other
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_trainings_share_a_device(lease):
    with lease().shared(), lease().shared():
        assert lease().members() == {os.getpid()}
    assert lease().members() == set()


@pytest.mark.parametrize(("held", "wanted", "what"), [("alone", "alone", "time"), ("shared", "alone", "train")])
def test_a_device_in_use_is_told_with_the_process_that_holds_it(lease, other, held, wanted, what):
    process = other(held)
    expected = pytest.raises(MachineError, match=f"cpu is in use: processes of nas-moo {what} on it")
    with expected as raised, getattr(lease(0.1), wanted)():
        pass
    assert raised.value.value == f"process {process.pid}"
    assert raised.value.exit_code == 4


@pytest.mark.parametrize("held", ["alone", "shared"])
def test_who_waits_for_long_says_for_whom(lease, other, held, monkeypatch):
    monkeypatch.setattr("nas_moo.lease.NOTICE_S", 0.05)
    holder, told = other(held), []
    waiting = Lease(CPU, timeout_s=0.3, folder=lease().folder, say=told.append)
    with pytest.raises(MachineError), waiting.alone():
        pass
    (said,) = told
    assert f"until process {holder.pid} " in said


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc tells who is stopped")
def test_who_waits_for_a_stopped_process_says_that_it_is(lease, other):
    holder = other("alone")
    holder.send_signal(signal.SIGSTOP)
    os.waitpid(holder.pid, os.WUNTRACED)
    with pytest.raises(MachineError) as raised, lease(0.05).alone():
        pass
    assert raised.value.value == f"process {holder.pid} (stopped)"


@pytest.mark.parametrize(("held", "wanted"), [("alone", "alone"), ("shared", "alone"), ("alone", "shared")])
def test_no_wait_goes_beyond_the_deadline(lease, other, held, wanted):
    other(held)
    begun = time.monotonic()
    expected = pytest.raises(TimeLimitReachedError)
    with expected, getattr(lease(60.0, deadline=begun + 0.1), wanted)():
        pass
    assert time.monotonic() - begun < 10


def test_a_deadline_that_is_over_stops_nobody_who_need_not_wait(lease):
    with lease(deadline=time.monotonic() - 1).alone():
        pass
    with lease(deadline=time.monotonic() - 1).shared() as share:
        share.pause()


def test_nobody_trains_while_another_times(lease, other):
    process = other("alone")
    with pytest.raises(MachineError, match=r"time on it, and have not let go for 0\.1 s"), lease(0.1).shared():
        pass
    process.stdin.close()
    process.wait(timeout=10)
    with lease().shared():
        pass


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_what_a_dead_process_left_behind_is_no_lease(lease, other, how):
    process = other(how)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    assert list(lease().folder.glob("*.turn" if how == "alone" else "*.member"))
    with lease(0.5).alone():
        assert lease().members() == set()
    assert not list(lease().folder.glob("*.member"))


def test_a_training_lets_those_who_wait_time_between_two_epochs(lease):
    """Who times waits for the end of the epoch, not of the training; and the training waits for the timing."""
    events, wants = [], threading.Event()

    def timing():
        wants.set()
        with lease().alone():
            events.append("timed")
            time.sleep(0.1)
            events.append("timed to the end")

    with lease().shared() as share:
        thread = threading.Thread(target=timing)
        thread.start()
        wants.wait()
        time.sleep(0.1)
        events.append("epoch 1")
        share.pause()
        events.append("epoch 2")
    thread.join()
    assert events == ["epoch 1", "timed", "timed to the end", "epoch 2"]


def test_a_pause_that_nobody_uses_costs_little(lease):
    with lease().shared() as share:
        share.pause()
        begun = time.perf_counter()
        for _ in range(50):
            share.pause()
        assert (time.perf_counter() - begun) / 50 < 0.01


def test_a_failure_gives_the_device_back(lease):
    for how in ("alone", "shared"):
        with pytest.raises(ValueError, match="inside"), getattr(lease(), how)():
            raise ValueError("inside")
    with lease(0.1).alone():
        pass


def test_two_devices_have_two_leases(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_MOO_LEASES", str(tmp_path / "named"))
    cpu, other = Lease(CPU), Lease(torch.device("mps", 0))
    assert cpu.folder == other.folder == tmp_path / "named"
    with cpu.alone(), Lease(torch.device("mps", 0), timeout_s=0.1).alone():
        assert cpu.key != other.key


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be kept here"), Lease(CPU, folder=tmp_path / "file" / "x").alone():
        pass


def test_who_waits_while_we_time_is_known_and_who_does_not_lease_is_not(lease, other, monkeypatch, tmp_path):
    """On a GPU the driver counts those that wait among its users: they do not disturb, and others do."""
    monkeypatch.setenv("NAS_MOO_LEASES", str(tmp_path / "leases"))
    dead = other("shared")
    dead.kill()
    dead.wait()
    with lease().alone():
        waits = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(lease().folder), "alone"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            until = time.monotonic() + 30
            while not waiting(CPU) and time.monotonic() < until:
                time.sleep(0.05)
            assert waiting(CPU) == (waits.pid,)
            assert waiting(torch.device("mps", 0)) == ()
            running = os.getpid(), waits.pid, 1
            monkeypatch.setattr(latency, "compute_processes", lambda uuid: running)
            assert latency._others(CPU, "uuid") == [1]
        except BaseException:
            waits.kill()
            raise
    assert waiting(CPU) == ()
    assert latency._others(CPU, "uuid") == [waits.pid, 1], "we do not hold the device, so that it may train on it"
    waits.communicate(b"", timeout=30)
    assert [p.name.partition(".")[2].partition("-")[0] for p in lease().folder.glob("*.process")] == [str(os.getpid())]


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(not hasattr(os, "fchmod"), reason="folders have no such mode")
def test_a_folder_is_made_for_all_users_who_cannot_remove_what_is_another_s(tmp_path):
    with Lease(CPU, folder=tmp_path / "new" / "leases").alone():
        pass
    assert mode_of(tmp_path / "new" / "leases") == 0o1777
    assert {mode_of(path) for path in (tmp_path / "new" / "leases").iterdir()} == {0o666}


@pytest.mark.parametrize("mode", [0o700, 0o1777])
def test_a_folder_that_was_there_keeps_its_mode_also_behind_a_link(tmp_path, monkeypatch, mode):
    private = tmp_path / "private"
    private.mkdir()
    private.chmod(mode)
    (tmp_path / "link").symlink_to(private)
    for named in (private, tmp_path / "link"):
        monkeypatch.setenv("NAS_MOO_LEASES", str(named))
        with Lease(CPU).alone():
            pass
    assert mode_of(private) == mode


def test_a_link_in_place_of_the_default_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("NAS_MOO_LEASES")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "nas-moo-leases").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MachineError, match="it is a symbolic link"), Lease(CPU).alone():
        pass
    assert not list((tmp_path / "elsewhere").iterdir())


def test_no_link_in_the_folder_is_followed(lease, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lease().folder.mkdir()
    (lease().folder / f"{lease().key}.holder").symlink_to(victim)
    (lease().folder / f"{lease().key}.1-0.member").symlink_to(victim)
    with lease().alone(), pytest.raises(MachineError) as raised, lease(0.1).alone():
        pass
    assert raised.value.value == "process unknown"
    assert victim.read_text() == "precious"
    (lease().folder / f"{lease().key}.turn").unlink()
    (lease().folder / f"{lease().key}.turn").symlink_to(victim)
    with pytest.raises(MachineError, match="cannot be kept here"), lease().alone():
        pass


def test_a_pipe_in_place_of_the_holder_keeps_nobody_waiting(lease):
    lease().folder.mkdir()
    os.mkfifo(lease().folder / f"{lease().key}.holder")
    with lease().alone(), pytest.raises(MachineError) as raised, lease(0.1).alone():
        pass
    assert raised.value.value == "process unknown"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root runs processes of other users")
def test_users_of_one_machine_share_the_leases():
    """What one user's training left behind when it died, another's can neither remove nor be kept up by."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        folder = Path(made) / "leases"
        with Lease(CPU, folder=folder).alone():
            pass

        def start(how, user):
            command = [sys.executable, "-c", AS_ANOTHER_USER, str(folder), how, str(user), str(Path(made) / how)]
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        died = start("shared", 65001)
        assert died.stdout.readline() == b"ready\n"
        died.kill()
        died.communicate()
        (left,) = folder.glob("*.member")
        second = start("alone", 65002)
        assert second.stdout.readline() == b"ready\n"
        assert left.exists()
        with pytest.raises(MachineError) as raised, Lease(CPU, folder=folder, timeout_s=0.1).alone():
            pass
        assert raised.value.value == f"process {second.pid}"
        second.communicate(b"")
        assert second.returncode == 0


def test_processes_of_two_containers_may_have_the_same_id(tmp_path):
    """Each counts its processes from 1, and they share the folder and the GPU."""
    program = f"import os; os.getpid = lambda: 7\n{OTHER}"
    command = [sys.executable, "-c", program, str(tmp_path / "leases"), "shared"]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline() == b"ready\n"
        second = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=True)
        assert second.stdout == b"ready\n"
        with Lease(CPU, folder=tmp_path / "leases").turn():
            assert Lease(CPU, folder=tmp_path / "leases").members() == {7}
    finally:
        first.communicate(b"")


def test_a_training_removes_what_dead_ones_left_behind(lease, other):
    process = other("shared")
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    (left,) = lease().folder.glob("*.member")
    with lease().shared():
        (own,) = lease().folder.glob("*.member")
    assert own != left


def test_a_training_that_cannot_take_part_gives_the_turn_back(lease):
    with lease(0.1).shared() as share:
        share.leave()
        with FileLock(share._path), pytest.raises(MachineError, match="in use"):
            share.enter()
        with lease(0.1).turn():
            pass

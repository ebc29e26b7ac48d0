"""What a search says while it runs."""

import re
import time
from types import SimpleNamespace

from nas_moo.cli.display import Display

EVENT = {
    "event": "trial", "id": "abc", "state": "pruned", "reason": "", "values": {}, "caveats": {}, "asked": 11,
}  # fmt: skip


def test_waiting_for_others_is_no_part_of_the_time_to_go(capsys):
    display = Display(SimpleNamespace(objectives=[]))
    display._begun = time.monotonic() - 110.0
    display({**EVENT, "done": 1, "seconds_waiting": 100.0})
    (minutes,) = re.findall(r"about (\S+) s to go", capsys.readouterr().err)
    assert 99 <= float(minutes) <= 115  # ten trainings of ten seconds, not of 110


def test_one_training_is_no_trainings(capsys):
    display = Display(SimpleNamespace(objectives=[]))
    display({"event": "start", "study": "s", "done": 0, "asked": 1})
    display({"event": "end", "done": 1, "asked": 1, "out_of_time": False, "running_elsewhere": 0})
    err = capsys.readouterr().err
    assert "0 of 1 training done" in err
    assert "1 of 1 training (" in err


def test_what_goes_on_is_told_with_the_reason_of_whoever_wants_it(capsys):
    display = Display(SimpleNamespace(objectives=[]))
    for by, epoch in (("pruner", 3), ("sampler", 3), ("sampler", 0)):
        display({"event": "thawed", "number": 1, "id": "abc", "epoch": epoch, "by": by})
    pruner, sampler, anew = (" ".join(line.split()) for line in capsys.readouterr().err.splitlines())
    assert pruner.endswith("after epoch 3: the pruner would no longer stop it")
    assert sampler.endswith("after epoch 3: it promises more than a new one")
    assert anew.endswith("it promises more than a new one, and its checkpoint is not here")

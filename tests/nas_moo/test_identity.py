import dataclasses
import json

import pytest
import torch

from nas_moo.device import measurement_key
from nas_moo.identity import MeasurementKey, differences, is_same_key, same_hosts

CPU = torch.device("cpu")


@pytest.fixture
def key():
    return dataclasses.replace(
        measurement_key(
            CPU,
            mode="latency_eager",
            batch=1,
            dtype="float32",
            cache="warm",
            runtime=None,
            clock="wall clock",
            protocol=2,
        ),
        network="abc",
        input_shape=(1, 8, 8),
    )


def test_a_key_survives_json(key):
    assert MeasurementKey.from_dict(json.loads(json.dumps(key.to_dict()))) == key


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(MeasurementKey)])
def test_every_field_makes_another_key(key, field):
    other = dataclasses.replace(key, **{field: (9, 9) if field == "input_shape" else "other"})
    assert other.digest != key.digest
    assert (other.conditions == key.conditions) is (field == "network")


def test_differences_are_named_with_their_values(key):
    other = dataclasses.replace(key, network="def", uuid="GPU-2", power_cap_w=300.0)
    found = differences([key.to_dict(), other.to_dict(), key.to_dict()])
    assert found == {"uuid": ["GPU-2", None]}
    capped = dataclasses.replace(other, power_cap_w=250.0)
    assert differences([other.to_dict(), capped.to_dict()]) == {"power_cap_w": [250.0, 300.0]}
    assert differences([key.to_dict(), dataclasses.replace(key, network="def").to_dict()]) == {}


def test_the_key_on_a_cpu_names_it_and_its_software(key):
    assert key.device
    assert key.torch == torch.__version__
    assert (key.cuda, key.uuid, key.power_cap_w, key.threads) == (None, None, None, 1)


def test_a_host_that_is_not_known_contradicts_no_other(key):
    """So what was stored before keys had one still counts, and two that are known and differ do not."""
    here, there, nowhere = (dataclasses.replace(key, host=h).to_dict() for h in ("a", "b", None))
    older = {name: value for name, value in nowhere.items() if name != "host"}
    assert MeasurementKey.from_dict(older).host is None
    assert all(is_same_key(other, here) for other in (here, nowhere, older))
    assert not is_same_key(here, there)
    assert differences([here, nowhere, older]) == {}
    assert differences([here, older, there]) == {"host": ["a", "b"]}
    assert not is_same_key(here, {**here, "network": "another"})
    assert not is_same_key(None, here)


def test_a_power_cap_that_cannot_be_read_contradicts_no_other(key):
    """So a study goes on after nvidia-ml-py was installed, and not under another cap."""
    before, after, lower = (dataclasses.replace(key, power_cap_w=cap).to_dict() for cap in (None, 300.0, 250.0))
    assert is_same_key(before, after)
    assert is_same_key(after, before)
    assert not is_same_key(after, lower)


def test_conditions_are_compared_without_hosts_where_one_list_knows_none():
    assert same_hosts(["torch: 2"], ["torch: 2", "host: a"]) == (["torch: 2"], ["torch: 2"])
    assert same_hosts(["torch: 2", "host: a"], ["torch: 2", "host: None"]) == (["torch: 2"], ["torch: 2"])
    assert same_hosts(["power_cap_w: None", "host: a"], ["power_cap_w: 300.0", "host: a"]) == (["host: a"], ["host: a"])
    then, now = same_hosts(["power_cap_w: 250.0"], ["power_cap_w: 300.0"])
    assert then != now
    then, now = same_hosts(["host: a"], ["host: b"])
    assert then != now

import dataclasses
import json

import pytest
import torch

from nas_moo.device import measurement_key
from nas_moo.identity import MeasurementKey, differences

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
    assert found == {"uuid": ["GPU-2", None], "power_cap_w": [300.0, None]}
    assert differences([key.to_dict(), dataclasses.replace(key, network="def").to_dict()]) == {}


def test_the_key_on_a_cpu_names_it_and_its_software(key):
    assert key.device
    assert key.torch == torch.__version__
    assert (key.cuda, key.uuid, key.power_cap_w, key.threads) == (None, None, None, 1)

"""What a latency was measured on, whole: two numbers are of one thing only where their keys are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch

from nas_moo.device import fingerprint
from nas_moo.nvidia import power_cap

_ANY = ""


@dataclass(frozen=True)
class MeasurementKey:
    """Everything that a latency depends on.

    Attributes:
        network: Digest of the network's genes.
        input_shape: Of one example.
        batch: Examples a call.
        dtype: Of parameters and inputs, with what the device may round.
        memory_format: Of the inputs: "contiguous".
        mode: How the network is run: the name of the objective.
        cache: "warm", or "cold" where caches are emptied before each call.
        threads: Of the host, for one operator.
        torch: PyTorch's version with its build.
        cuda: CUDA's version, as PyTorch was built with it; None on a CPU, as the next two.
        cudnn: cuDNN's version number.
        driver: Of the GPU.
        runtime: What runs the network where PyTorch does not, with its version.
        device: Model of the GPU or the processor.
        uuid: Of the GPU; a CPU has none, so two hosts of one model are told apart by nothing.
        power_cap_w: The power limit that is enforced; None where it cannot be read.
        clock: What times it.
        protocol: Version of the timing procedure.
    """

    network: str
    input_shape: tuple[int, ...]
    batch: int
    dtype: str
    memory_format: str
    mode: str
    cache: str
    threads: int
    torch: str
    cuda: str | None
    cudnn: int | None
    driver: str | None
    runtime: str | None
    device: str
    uuid: str | None
    power_cap_w: float | None
    clock: str
    protocol: int

    @property
    def digest(self) -> str:
        """Of all of it."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def conditions(self) -> str:
        """Digest of all but the network: what the models of one front have in common."""
        return replace(self, network=_ANY).digest

    def to_dict(self) -> dict[str, Any]:
        """The key as plain JSON."""
        return asdict(self) | {"input_shape": list(self.input_shape)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> MeasurementKey:
        """Read what ``to_dict`` wrote."""
        return cls(**{**record, "input_shape": tuple(record["input_shape"])})


def differences(keys: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The fields, but for the network, in which keys (as plain JSON) differ, with their values."""
    found = {}
    for field in fields(MeasurementKey):
        values = {json.dumps(key.get(field.name)) for key in keys}
        if field.name != "network" and len(values) > 1:
            found[field.name] = [json.loads(v) for v in sorted(values)]
    return found


def key_on(
    device: torch.device,
    *,
    mode: str,
    batch: int,
    dtype: str,
    cache: str,
    runtime: str | None,
    clock: str,
    protocol: int,
) -> MeasurementKey:
    """The key of no network and no input yet, on this device as it is now."""
    found = fingerprint(device)
    return MeasurementKey(
        network=_ANY,
        input_shape=(),
        batch=batch,
        dtype=dtype,
        memory_format="contiguous",
        mode=mode,
        cache=cache,
        threads=1 if device.type == "cpu" else torch.get_num_threads(),
        torch=found.torch,
        cuda=found.cuda,
        cudnn=found.cudnn,
        driver=found.driver,
        runtime=runtime,
        device=found.name,
        uuid=found.uuid,
        power_cap_w=power_cap(found.uuid),
        clock=clock,
        protocol=protocol,
    )

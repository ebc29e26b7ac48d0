"""What a number of a device was measured on, whole: two are of one thing only where their keys are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

_HOST = "host"
# Not every process can read these: one that does not know them contradicts none that does.
_MAY_BE_UNKNOWN = (_HOST, "power_cap_w")
ANY = ""  # the network of what all networks have in common


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
        uuid: Of the GPU; a CPU has none.
        host: Digest of the machine that a CPU is in; None of a GPU, and where the machine has no identity of its own.
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
    host: str | None = None

    @property
    def digest(self) -> str:
        """Of all of it; without a host the one that it was before keys had hosts."""
        told = {name: value for name, value in self.to_dict().items() if name != _HOST or value is not None}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def conditions(self) -> str:
        """Digest of all but the network: what the models of one front have in common."""
        return replace(self, network=ANY).digest

    def to_dict(self) -> dict[str, Any]:
        """The key as plain JSON."""
        return asdict(self) | {"input_shape": list(self.input_shape)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> MeasurementKey:
        """Read what ``to_dict`` wrote."""
        return cls(**{**record, "input_shape": tuple(record["input_shape"])})


def differences(keys: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The fields, but for the network, in which keys (as plain JSON) differ, with their values."""
    names = [field.name for field in fields(MeasurementKey)]
    distinct = {json.dumps({n: key.get(n) for n in names if n != "network"}) for key in keys}
    found = {}
    for name in names:
        values = {json.dumps(json.loads(key).get(name)) for key in distinct}
        if name in _MAY_BE_UNKNOWN:  # as the host in keys from before it was stored, or the cap without NVML
            values.discard(json.dumps(None))
        if len(values) > 1:
            found[name] = [json.loads(v) for v in sorted(values)]
    return found


def is_same_key(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two keys (as plain JSON) are of one thing, the network included."""
    if one is None or other is None or one.get("network") != other.get("network"):
        return False
    return not differences((one, other))


def same_hosts(stored: Sequence[str], today: Sequence[str]) -> tuple[list[str], list[str]]:
    """Two lists of conditions ("host: ..."), without the hosts, or the power caps, where one does not know them."""
    lists = [list(stored), list(today)]
    for name in _MAY_BE_UNKNOWN:
        known = [any(c.startswith(f"{name}: ") and c != f"{name}: {None}" for c in conditions) for conditions in lists]
        if not all(known):
            lists = [[c for c in conditions if not c.startswith(f"{name}: ")] for conditions in lists]
    return lists[0], lists[1]

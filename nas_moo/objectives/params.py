"""The number of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn.parameter import is_lazy

from nas_moo.errors import SpaceError
from nas_moo.measurement import Measurement

if TYPE_CHECKING:
    from nas_moo.objectives import Candidate, Stage


class Params:
    """The number of elements of all parameters: a frozen one is stored and shipped too, so it counts."""

    name = "params"
    unit = "parameters"
    label = "parameters"
    stage: Stage = "static"
    log = True
    method = "elements of all parameters, frozen ones too, a shared one once; buffers not counted"

    def measure(self, candidate: Candidate) -> Measurement:
        """The count, exact.

        Raises:
            SpaceError: a lazy parameter without a shape.
        """
        require_shapes(candidate.model)
        parameters = list(candidate.model.parameters())
        total = sum(p.numel() for p in parameters)
        trainable = sum(p.numel() for p in parameters if p.requires_grad)
        return Measurement.exact(total, self.unit, self.method, trainable=trainable)


def require_shapes(model: nn.Module) -> None:
    """Refuse a network whose lazy parameters or buffers have no shape yet.

    Raises:
        SpaceError: one has none.
    """
    lazy = [name for name, tensor in (*model.named_parameters(), *model.named_buffers()) if is_lazy(tensor)]
    if lazy:
        raise SpaceError(
            "a network has lazy parameters without a shape",
            value=", ".join(lazy),
            do="Give the layers their input sizes in build(), or run one batch through them there.",
        )

"""Which operations on float32 a GPU may round to TF32, its 10 bits of mantissa, as PyTorch is set now."""

from __future__ import annotations

from typing import Any

import torch

EVERYTHING = ("convolutions", "products")
_CUDNN = {
    (True, True): ("convolutions",),
    (True, False): ("convolutions but for recurrent layers",),
    (False, True): ("recurrent layers",),
    (False, False): (),
}


def tf32() -> tuple[str, ...]:
    """The operations that are rounded: "convolutions" (recurrent layers included), "products" (of matrices)."""
    convolutions, recurrent, products = _settings()
    return (*_CUDNN[convolutions, recurrent], *(("products",) if products else ()))


def _settings() -> tuple[bool, bool, bool]:
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    try:  # asked first, since ``allow_tf32`` raises where this newer one was set, too
        told = (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision, matmul.fp32_precision)
    except AttributeError:  # before PyTorch 2.9
        return cudnn.allow_tf32, cudnn.allow_tf32, matmul.allow_tf32
    convolutions, recurrent, products = (precision == "tf32" for precision in told)
    return convolutions, recurrent, products

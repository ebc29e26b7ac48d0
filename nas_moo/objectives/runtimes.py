"""What is deployed: the network by ONNX Runtime, and by TensorRT. For finalists: each takes seconds to be built."""

from __future__ import annotations

import importlib
import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from nas_moo.device import is_out_of_memory
from nas_moo.errors import UserInputError
from nas_moo.objectives.modes import Call, Mode, ModeError, output_of, require_same
from nas_moo.objectives.tf32 import tf32


def _onnx_runtime(device: torch.device) -> str:
    for package in ("onnx", "onnxscript"):
        _needed(package, "latency_onnx", "onnx")
    runtime = _needed("onnxruntime", "latency_onnx", "onnx")
    if device.type == "cuda" and "CUDAExecutionProvider" not in runtime.get_available_providers():
        raise UserInputError(
            "this ONNX Runtime has no CUDA provider",
            value=", ".join(runtime.get_available_providers()),
            do="Install onnxruntime-gpu in place of onnxruntime.",
        )
    return f"onnxruntime {runtime.__version__}"


def _tensorrt(device: torch.device) -> str:
    compiler = _needed("torch_tensorrt", "latency_trt", "trt")
    _float16(compiler)
    return f"torch_tensorrt {compiler.__version__}"


def _needed(package: str, objective: str, extra: str) -> Any:
    """Import a package of an extra.

    Raises:
        UserInputError: it is not installed, or does not fit what is.
    """
    try:
        return importlib.import_module(package)
    except (ImportError, RuntimeError, OSError) as error:  # a wheel for another PyTorch or CUDA fails in each way
        raise UserInputError(
            f"{objective} needs {package}, which cannot be imported here ({error})",
            value=package,
            do=f'Install it with: pip install "nas-moo[{extra}]".',
        ) from error


def _onnx(stack: ExitStack, model: nn.Module, inputs: Sequence[Tensor]) -> Call:
    expected = output_of(model, inputs[0])
    device = inputs[0].device
    runtime = _needed("onnxruntime", "latency_onnx", "onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cpu":
        options.intra_op_num_threads = options.inter_op_num_threads = 1
    else:
        providers = [_cuda_provider(stack, device)]
    session = runtime.InferenceSession(_exported(model, inputs[0]), options, providers=providers)
    run = _on_cpu(session, inputs) if device.type == "cpu" else _on_gpu(runtime, session, inputs)
    found = session.run(None, {session.get_inputs()[0].name: inputs[0].cpu().numpy()})
    rounds = "TF32" if device.type == "cuda" and tf32() else "float32"
    require_same("the ONNX network", expected, [torch.from_numpy(f).to(device) for f in found], rounds)
    return run


def _own_stream(stack: ExitStack, device: torch.device) -> torch.cuda.Stream:
    """A stream that is current until the stack is unwound: there the timer's events lie."""
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    stack.enter_context(torch.cuda.stream(stream))
    return stream


def _cuda_provider(stack: ExitStack, device: torch.device) -> tuple[str, dict[str, str]]:
    """The provider on a stream of ours.

    PyTorch's default stream has the handle 0, which ONNX Runtime takes for none: it would work on a stream of its own,
    and the events would time how long it takes to hand work over.
    """
    stream = _own_stream(stack, device)
    return "CUDAExecutionProvider", {
        "device_id": str(device.index or 0),
        "user_compute_stream": str(stream.cuda_stream),
        "use_tf32": "1" if tf32() else "0",  # for all operations, and by default "1"
    }


def _exported(model: nn.Module, x: Tensor) -> bytes:
    try:
        with torch.inference_mode(False), torch.no_grad(), _quiet():
            program = torch.onnx.export(model, (x.clone(),), dynamo=True, verbose=False)
            return cast("bytes", program.model_proto.SerializeToString())  # type: ignore[union-attr]
    except Exception as error:
        raise ModeError(
            f"this network cannot be exported to ONNX ({type(error).__name__}: {str(error).strip()[:200]})",
            value=type(model).__name__,
            do="Use operators that torch.onnx.export knows, or time it with --objective latency_eager.",
        ) from error


def _on_cpu(session: Any, inputs: Sequence[Tensor]) -> Call:
    name, arrays = session.get_inputs()[0].name, [x.numpy() for x in inputs]
    return lambda number: session.run(None, {name: arrays[number % len(arrays)]})


def _on_gpu(runtime: Any, session: Any, inputs: Sequence[Tensor]) -> Call:
    """Inputs and outputs stay on the GPU, and nothing waits for it within a call."""
    bindings, index = [], inputs[0].device.index or 0
    for x in inputs:
        binding = session.io_binding()
        binding.bind_input(session.get_inputs()[0].name, "cuda", index, "float32", tuple(x.shape), x.data_ptr())
        for output in session.get_outputs():
            binding.bind_output(output.name, "cuda", index)
        bindings.append(binding)
    options = runtime.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    return lambda number: session.run_with_iobinding(bindings[number % len(bindings)], options)


def _trt(stack: ExitStack, model: nn.Module, inputs: Sequence[Tensor]) -> Call:
    expected = output_of(model, inputs[0])
    compiler = _needed("torch_tensorrt", "latency_trt", "trt")
    device = inputs[0].device
    stack.callback(torch.compiler.reset)
    _own_stream(stack, device)  # from the default one, an engine goes over to another at each call
    try:
        with torch.inference_mode(False), torch.no_grad(), _quiet():
            engine = compiler.compile(
                model,
                ir="dynamo",
                inputs=[inputs[0].clone()],
                device=device,
                # Whole, or not at all: what is left to PyTorch would be timed as TensorRT's.
                require_full_compilation=True,
                min_block_size=1,
                **_float16(compiler),
            )
        found = engine(inputs[0].clone())
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModeError(
            f"TensorRT cannot build this network ({type(error).__name__}: {str(error).strip()[:200]})",
            value=type(model).__name__,
            do="Time it with --objective latency, or see which operators Torch-TensorRT knows.",
        ) from error
    if not any("TensorRT" in type(module).__name__ for module in engine.modules()):
        raise ModeError(
            "TensorRT runs no part of this network",
            value=type(model).__name__,
            do="Time it with --objective latency: it has no operator that TensorRT would run.",
        )
    require_same("the TensorRT engine", expected, found, "float16")
    return lambda number: engine(inputs[number % len(inputs)])


def _float16(compiler: Any) -> dict[str, Any]:
    """How this version of Torch-TensorRT is asked for float16; an option that it does not know it would ignore.

    Raises:
        UserInputError: it knows no way.
    """
    options = inspect.signature(compiler.dynamo.compile).parameters
    if "enabled_precisions" in options:  # until 2.12; since 2.10 types are explicit unless one says so
        loose = {"use_explicit_typing": False} if "use_explicit_typing" in options else {}
        return {"enabled_precisions": {torch.float32, torch.float16}, **loose}
    if {"enable_autocast", "autocast_low_precision_type"} <= options.keys():
        return {"enable_autocast": True, "autocast_low_precision_type": torch.float16}
    raise UserInputError(
        "this Torch-TensorRT has no option for float16 that is known here",
        value=compiler.__version__,
        do="Install another version: 2.6 to 2.14 have one.",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters tell their progress at warning level and on standard output."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


ONNX = Mode(
    "latency_onnx", "ONNX Runtime latency", "ONNX Runtime", ("cpu", "cuda"), _onnx,
    rounds_alike=True, runtime=_onnx_runtime,
)  # fmt: skip
TRT = Mode("latency_trt", "TensorRT latency", "TensorRT engine", ("cuda",), _trt, "float16", runtime=_tensorrt)

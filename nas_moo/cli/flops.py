"""``nas-moo flops``: what one forward call of a network costs, module by module, with a second opinion."""

from __future__ import annotations

import argparse
import inspect
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nas_moo.cli.options import Commands, add_allow_uncounted, add_json, print_json
from nas_moo.errors import NasMooError, UserInputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nas_moo.genome import Architecture, Genome

_INPUT = re.compile(r"([1-9]\d*(?:,[1-9]\d*)*)(?::(\w+))?")
_ROWS = 30  # of the table of modules; as deep as they reach
_DATA = "digits"


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "flops",
        help="count the FLOPs of a network, by module, and compare with a second counter",
        description="Count the multiply-adds of one forward call (one multiply-add = one FLOP), by module, and compare "
        "with PyTorch's FlopCounterMode. Matrix products, convolutions, attention and recurrent layers count; element "
        "operations, norms, pooling and interpolation do not. The inputs are zeros.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--module", metavar="FILE:NAME", help="a function without arguments that returns the network")
    which.add_argument("--space", metavar="NAME", help="a search space, as for search; with --architecture")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="SHAPE[:DTYPE]",
        help="with the batch: 1,3,224,224 or 1,128:int64; repeatable for several inputs",
    )
    parser.add_argument(
        "--architecture",
        metavar="FILE",
        help="JSON or CSV of one architecture of the space: `nas-moo show STUDY --model ID --json > FILE` writes one",
    )
    parser.add_argument(
        "--data", metavar="DATA", help=f"with --space: gives the input's shape and the classes (default: {_DATA})"
    )
    parser.add_argument(
        "--classes", type=int, metavar="N", help="with --space: the network's outputs, instead of the data's"
    )
    add_allow_uncounted(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    from nas_moo.objectives.flops import count_flops

    described, model, inputs = _from_module(parsed) if parsed.module else _from_space(parsed)
    shapes = [f"{','.join(map(str, t.shape))}:{str(t.dtype).removeprefix('torch.')}" for t in inputs]
    try:
        with warnings.catch_warnings(record=True) as told:  # of a forward that fails the error says enough
            counted = count_flops(model, inputs, allow_uncounted=parsed.allow_uncounted)
    except NasMooError:
        raise
    except (Exception, SystemExit) as error:
        raise UserInputError(
            f"the network's forward failed ({type(error).__name__}: {error})",
            value=" ".join(shapes),
            do="Check --input: one for each argument of forward, with the batch, and its dtype.",
        ) from error
    for warning in told:
        warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
    oracle, note = _second_opinion(model, inputs)
    document = {
        **described,
        "inputs": shapes,
        "flops": counted.total,
        "convention": "one multiply-add = one FLOP",
        "protocol": counted.protocol,
        "counter": counted.counter,
        "by_module": counted.by_module,
        "by_operator": counted.by_operator,
        "uncounted": list(counted.uncounted),
        "zero_by_convention": counted.free,
        "oracle_flops": oracle,
        "agreement": None if oracle is None else oracle == counted.total,
        "oracle_note": note,
    }
    if parsed.json:
        print_json(document)
    else:
        _print(document, _types(model))
    return 0


def _types(model: nn.Module) -> dict[str, str]:
    """The classes of the modules; a compiled one's is that of its original, as its count is."""
    named = getattr(model, "_orig_mod", model).named_modules()
    return {name.replace("._orig_mod", ""): type(module).__name__ for name, module in named}


def _from_module(parsed: argparse.Namespace) -> tuple[dict[str, Any], nn.Module, tuple[Tensor, ...]]:
    for option, given in (
        ("--architecture", parsed.architecture),
        ("--data", parsed.data),
        ("--classes", parsed.classes),
    ):
        if given is not None:
            raise UserInputError(
                f"{option} belongs to --space", value=given, do=f"Leave out {option}, or give --space."
            )
    if not parsed.input:
        raise UserInputError(
            "a network without inputs", value=parsed.module, do="Give --input 1,3,224,224, once for each argument."
        )
    from torch import nn

    from nas_moo.space import load_object

    found, reference = load_object(parsed.module, kind="network")
    made = found if isinstance(found, nn.Module) else _built(found, reference)
    if not isinstance(made, nn.Module):
        raise UserInputError(
            "this returned no network",
            value=f"{reference}: {type(made).__name__}",
            do="Return a torch.nn.Module from it.",
        )
    return {"module": reference}, made, tuple(parse_input(text) for text in parsed.input)


def _built(function: Any, reference: str) -> Any:
    if not callable(function):
        raise UserInputError(
            "this is neither a function nor a network",
            value=f"{reference}: {type(function).__name__}",
            do="Name a function without arguments that returns a torch.nn.Module.",
        )
    try:
        with suppress(ValueError):  # of a function written in C nothing is known: it is asked by calling it
            inspect.signature(function).bind()
    except TypeError as error:
        raise UserInputError(
            f"a function that builds a network needs arguments ({error})",
            value=reference,
            do="Write one that takes none: def build(): return Network(width=64).",
        ) from error
    try:
        return function()
    except (Exception, SystemExit) as error:
        raise UserInputError(
            f"the network cannot be built ({type(error).__name__}: {error})", value=reference, do="Mend the function."
        ) from error


def _from_space(parsed: argparse.Namespace) -> tuple[dict[str, Any], nn.Module, tuple[Tensor, ...]]:
    if parsed.architecture is None:
        raise UserInputError(
            "a space is no network yet",
            value=parsed.space,
            do="Give --architecture FILE: genes and values as JSON. `nas-moo show STUDY --model ID --json > FILE` "
            "writes one.",
        )
    if len(parsed.input) > 1:
        raise UserInputError(
            "a network of a search space has one input", value=" ".join(parsed.input), do="Give one --input, or none."
        )
    from torch import nn

    from nas_moo.data import load_data
    from nas_moo.space import load_space

    loaded = load_space(parsed.space)
    architecture = _architecture(parsed.architecture, loaded.space.genome)
    data = load_data(parsed.data or _DATA)
    example = parse_input(parsed.input[0] if parsed.input else ",".join(map(str, (1, *data.input_shape))))
    classes = data.n_classes if parsed.classes is None else parsed.classes
    if classes < 1:
        raise UserInputError("--classes is out of range", value=classes, do="Give 1 or more.")
    try:
        made = loaded.space.build(architecture, tuple(example.shape[1:]), classes)
    except (Exception, SystemExit) as error:
        raise UserInputError(
            f"the space cannot build this network ({type(error).__name__}: {error})",
            value=dict(architecture),
            do="Check the architecture, and the shape and classes (--data, --input, --classes).",
        ) from error
    if not isinstance(made, nn.Module):
        raise UserInputError("build() returned no network", value=type(made).__name__, do="Return a torch.nn.Module.")
    return {"space": parsed.space, "architecture": dict(architecture), "classes": classes}, made, (example,)


def _architecture(file: str, genome: Genome) -> Architecture:
    from nas_moo.study.seeds import read_seeds

    try:
        found = read_seeds(file, genome)
    except UserInputError as error:
        error.what = error.what.replace("seed architecture", "architecture")
        raise
    if len(found) > 1:
        raise UserInputError(
            f"there are {len(found)} architectures in this, and one can be counted",
            value=file,
            do="Give a file of one, such as `nas-moo show STUDY --model ID --json > FILE` writes.",
        )
    return found[0]


def parse_input(text: str) -> Tensor:
    """Zeros of the shape and dtype that a text such as ``1,3,224,224`` or ``1,128:int64`` says.

    Raises:
        UserInputError: it says neither, or they do not fit into memory.
    """
    import torch

    match = _INPUT.fullmatch(text.replace(" ", ""))
    dtype: Any = getattr(torch, match[2] or "float32", None) if match else None
    if match is None or not isinstance(dtype, torch.dtype):
        raise UserInputError(
            "this is no input", value=text, do="Write sizes with the batch, and a dtype: 1,3,224,224 or 1,128:int64."
        )
    try:
        return torch.zeros([int(size) for size in match[1].split(",")], dtype=dtype)
    except (RuntimeError, TypeError, OverflowError) as error:
        raise UserInputError(
            f"an input of this size cannot be had ({str(error).splitlines()[0]})", value=text, do="Give a smaller one."
        ) from error


def _second_opinion(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[int | None, str | None]:
    from nas_moo.objectives.flops import oracle_flops

    try:
        return oracle_flops(model, inputs), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it has no values to compute with, and a network may want them
        told = (error.what, error.value) if isinstance(error, NasMooError) else (type(error).__name__, error)
        return None, f"FlopCounterMode cannot count this network without data ({told[0]}: {told[1]})"


def _print(document: Mapping[str, Any], types: Mapping[str, str]) -> None:
    from nas_moo.measurement import format_quantity

    total = document["flops"]
    print(f"{total:,} FLOPs ({format_quantity(total, 'FLOPs')}) for {' and '.join(document['inputs'])}")
    print(f"  {document['convention']}; counted by {document['counter']}, protocol {document['protocol']}")
    if document["oracle_flops"] is None:
        print(f"  no second opinion: {document['oracle_note']}")
    else:
        same = "counts the same" if document["agreement"] else f"DISAGREES: {document['oracle_flops']:,}"
        print(f"  FlopCounterMode on tensors without data {same}")
    print("\nBy module")
    rows = [("the network", total), *_rows(document["by_module"])]
    width = max(len(name) for name, _ in rows)
    for name, count in rows:
        print(f"  {name:<{width}}  {types.get(name, types['']):<20} {count:>18,}  {_share(count, total)}")
    print("\nBy operator")
    for name, count in sorted(document["by_operator"].items(), key=lambda entry: -entry[1]):
        print(f"  {name:<{width + 22}} {count:>18,}  {_share(count, total)}")
    free = ", ".join(
        f"{name.removeprefix('aten::')} × {n}" for name, n in sorted(document["zero_by_convention"].items())
    )
    print(f"\nCount nothing by convention: {free or 'nothing here'}")
    print(f"Not counted: {'; '.join(document['uncounted']) or 'nothing'}")


def _share(count: int, total: int) -> str:
    return f"{count / total if total else 0:6.1%}"


def _rows(by_module: Mapping[str, int]) -> list[tuple[str, int]]:
    """The modules that count something, down to the depth at which they still fit the screen."""
    counting = [(name, count) for name, count in by_module.items() if name and count]
    deepest = max((name.count(".") for name, _ in counting), default=0)
    for depth in range(deepest, 0, -1):
        shown = [(name, count) for name, count in counting if name.count(".") <= depth]
        if len(shown) <= _ROWS:
            return shown
    return [(name, count) for name, count in counting if "." not in name]

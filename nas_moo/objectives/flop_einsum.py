"""How many multiply-adds an einsum does, in the order in which PyTorch contracts its operands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Axes: TypeAlias = dict[str, int]
_DOTS = "..."


def einsum_products(equation: str, shapes: Sequence[Sequence[int]], path: Sequence[int] = ()) -> int:
    """The multiply-adds of ``torch.einsum``.

    Two operands are multiplied at a time. An axis that only one of them has, and that nothing needs later, is summed
    before they meet; a product that sums nothing is one of elements, and counts nothing.

    Args:
        equation: Letters, ellipses, with or without a result.
        shapes: Of the operands.
        path: Positions of the operands that meet, in pairs, each product being put last, as opt_einsum plans it;
            where it is empty, they meet from left to right.

    Raises:
        ValueError: the equation and the shapes do not fit.
    """
    operands, result = _parse(equation.replace(" ", ""), shapes)
    uses = Counter(axis for operand in operands for axis, size in operand.items() if size != 1)
    steps: Iterator[int] = iter(path)
    total = 0
    while len(operands) > 1:
        first, second = sorted((next(steps), next(steps))) if path else (0, 1)
        right, left = operands.pop(second), operands.pop(first)
        count, product = _meet(left, right, uses, result)
        total += count
        operands.insert(len(operands) if path else 0, product)
    return total


def _meet(left: Axes, right: Axes, uses: Counter[str], result: set[str]) -> tuple[int, Axes]:
    """Multiply two operands: what that counts, and the axes of the product. ``uses`` loses the axes that are gone."""
    sizes = {axis: max(left.get(axis, 1), right.get(axis, 1)) for axis in left | right}
    contracted = False
    for axis in [a for a in sizes if a not in result]:
        both = left.get(axis, 1) != 1 and right.get(axis, 1) != 1
        uses[axis] -= both
        if uses[axis] == 1 and sizes[axis] != 1:
            contracted = contracted or both
            uses[axis] = 0
            if not both:
                sizes[axis] = 1
    count = math.prod(sizes.values()) if contracted else 0
    return count, {axis: size for axis, size in sizes.items() if axis in result or uses[axis]}


def _parse(equation: str, shapes: Sequence[Sequence[int]]) -> tuple[list[Axes], set[str]]:
    terms, arrow, wanted = equation.partition("->")
    names = terms.split(",")
    operands = [_axes(term, shape) for term, shape in zip(names, shapes, strict=True)]
    if not arrow:  # the letters that occur once, and what the ellipses stand for
        letters = Counter(terms.replace(_DOTS, "").replace(",", ""))
        wanted = "".join(letter for letter, times in letters.items() if times == 1) + _DOTS
    hidden = {axis for operand in operands for axis in operand if axis.startswith(_DOTS)} if _DOTS in wanted else set()
    return operands, set(wanted.replace(_DOTS, "")) | hidden


def _axes(term: str, shape: Sequence[int]) -> Axes:
    """The sizes of an operand's axes by name; those of an ellipsis are named from its end, as they are broadcast."""
    before, dots, after = term.partition(_DOTS)
    hidden = len(shape) - len(before) - len(after)
    if hidden < 0 or (hidden and not dots):
        raise ValueError(f"{term!r} does not name the axes of {list(shape)}")
    names = [*before, *(f"{_DOTS}{hidden - i}" for i in range(hidden)), *after]
    sizes: Axes = {}
    for name, size in zip(names, shape, strict=True):
        if sizes.setdefault(name, size) != size:
            raise ValueError(f"{name!r} has two sizes in {list(shape)}")
    return sizes

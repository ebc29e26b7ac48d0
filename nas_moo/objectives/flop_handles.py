"""How many multiply-adds each operator does, from the shapes in a trace.

``HANDLES`` maps an operator to a function of its inputs and outputs, as fvcore calls it. ``FREE`` lists the operators
that do none: they move, compare or change elements one by one, normalise, pool or interpolate. An operator that is in
neither, nor among those that fvcore knows to only move data, has no known count.

In a trace every tensor has a shape. Where one lacks it, the count is a marker (``UNCOUNTED``) and never a zero.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Handle: TypeAlias = Callable[[list[Any], list[Any]], Any]
Count: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], int]
UNCOUNTED = "uncounted "


class _NoShapeError(Exception):
    """A value in the trace has no complete shape, or an operator is called in a form that is not known here."""


def _shape(value: Any) -> list[int]:
    if not value.isCompleteTensor():
        raise _NoShapeError
    return list(value.type().sizes())


def _product_over(position: int) -> Count:
    """A matrix product: each output element sums over the last axis of the operand at ``position``.

    Holds with broadcasting, and where an operand is a vector.
    """

    def count(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        return math.prod(_shape(outputs[0])) * _shape(inputs[position])[-1]

    return count


def _addbmm(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    batch, _, inner = _shape(inputs[1])
    return math.prod(_shape(outputs[0])) * batch * inner


def _conv(data: Sequence[int], weight: Sequence[int], out: Sequence[int], *, transposed: bool) -> int:
    # The weight's first axis counts output channels, or input channels where transposed: either is in the other factor.
    return math.prod(data if transposed else out) * math.prod(weight[1:])


def _convolution(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    transposed = inputs[6].toIValue()
    return _conv(_shape(inputs[0]), _shape(inputs[1]), _shape(outputs[0]), transposed=transposed)


def _convolution_mode(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    return _conv(_shape(inputs[0]), _shape(inputs[1]), _shape(outputs[0]), transposed=False)


def _attention(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Scores and weighted values. A causal mask saves nothing: the masked scores count."""
    query, key, out = _shape(inputs[0]), _shape(inputs[1]), _shape(outputs[0])
    return math.prod(out[:-1]) * key[-2] * (query[-1] + out[-1])


def _recurrent(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Each weight matrix is applied once to each step of each sequence; padded and packed input have the same form."""
    lists = [v.node() for v in inputs if v.node().kind() == "prim::ListConstruct"]
    shapes = [_shape(v) for node in lists for v in node.inputs() if v.isCompleteTensor()]
    matrices = [s for s in shapes if len(s) == 2]
    if not matrices:
        raise _NoShapeError
    return math.prod(_shape(inputs[0])[:-1]) * sum(map(math.prod, matrices))


def _einsum(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """One or two operands. An axis that only one of them has, and not the result, is summed before they meet."""
    terms, _, result = inputs[0].toIValue().replace(" ", "").partition("->")
    names, shapes = terms.split(","), [_shape(v) for v in inputs[1].node().inputs()]
    if len(shapes) == 1:
        return 0
    if len(shapes) > 2 or "." in terms or "->" not in inputs[0].toIValue():
        raise _NoShapeError
    sizes: dict[str, int] = {}
    for letters, shape in zip(names, shapes, strict=True):
        for letter, size in zip(letters, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise _NoShapeError
    left, right = map(set, names)
    if not (left & right) - set(result):
        return 0  # an outer product sums nothing
    return math.prod(sizes[letter] for letter in (left & right) | set(result))


def _guarded(operator: str, count: Count) -> Handle:
    def handle(inputs: list[Any], outputs: list[Any]) -> Any:
        try:
            return count(inputs, outputs)
        except _NoShapeError:
            return Counter({UNCOUNTED + operator: 1})

    return handle


_COUNTS: dict[str, Count] = {
    "_convolution": _convolution,
    "_convolution_mode": _convolution_mode,
    "addbmm": _addbmm,
    "addmm": _product_over(1),
    "addmv": _product_over(1),
    "baddbmm": _product_over(1),
    "bmm": _product_over(0),
    "dot": _product_over(0),
    "einsum": _einsum,
    "gru": _recurrent,
    "inner": _product_over(0),
    "linear": _product_over(0),
    "lstm": _recurrent,
    "matmul": _product_over(0),
    "mm": _product_over(0),
    "mv": _product_over(0),
    "rnn_relu": _recurrent,
    "rnn_tanh": _recurrent,
    "scaled_dot_product_attention": _attention,
    "vdot": _product_over(0),
}

_NORMS = """batch_norm group_norm instance_norm layer_norm rms_norm local_response_norm norm linalg_vector_norm
    linalg_norm frobenius_norm cosine_similarity _weight_norm"""
_POOLING = """adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool1d_with_indices
    max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d"""
_INTERPOLATION = """upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d
    upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler affine_grid_generator"""
_ACTIVATIONS = """celu elu gelu glu hardsigmoid hardswish hardtanh leaky_relu log_sigmoid log_softmax mish prelu relu
    relu6 rrelu selu sigmoid silu softmax softplus softshrink hardshrink softsign tanh threshold alpha_dropout dropout
    feature_alpha_dropout feature_dropout"""
_ELEMENTWISE = """abs add addcdiv addcmul ceil clamp clamp_max clamp_min clip cos cosh cumsum div erf erfc exp expm1
    floor floor_divide fmod frac lerp log log10 log1p log2 logical_and logical_not logical_or logical_xor logit
    maximum minimum mul nan_to_num neg pow reciprocal remainder round rsqrt rsub sign sin sinh sqrt square sub tan
    true_divide trunc where xlogy ger outer bitwise_and bitwise_not bitwise_or eq ge gt le lt ne isnan isinf isfinite
    __and__ __or__ _thnn_fused_lstm_cell _thnn_fused_gru_cell"""
_REDUCTIONS = """all amax amin any argmax argmin argsort count_nonzero logsumexp max mean median min prod sort std
    std_mean sum topk var var_mean"""
_MOVES = """alias as_strided bernoulli broadcast_tensors broadcast_to channel_shuffle clone
    _pack_padded_sequence _pad_packed_sequence
    col2im concat concatenate constant_pad_nd cat diagonal diff embedding empty_like expand_as fill flip full
    hstack vstack im2col index_add index_copy index_put index_select item lift_fresh linspace masked_fill meshgrid
    movedim moveaxis native_dropout new_tensor normal numel one_hot ones_like pad pixel_shuffle pixel_unshuffle
    rand rand_like randn randn_like reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave
    replication_pad1d replication_pad2d replication_pad3d reshape_as resolve_conj resolve_neg scatter scatter_add
    scalar_tensor squeeze swapaxes take_along_dim tensor_split tile tril triu unflatten unfold uniform unsafe_chunk
    unsafe_split unsqueeze view_as zero __getitem__ dim is_floating_point FloatImplicit IntImplicit Float Bool"""

# In place or not, an operator does the same work.
FREE = frozenset(
    f"aten::{name}{suffix}"
    for group in (_NORMS, _POOLING, _INTERPOLATION, _ACTIVATIONS, _ELEMENTWISE, _REDUCTIONS, _MOVES)
    for name in group.split()
    for suffix in ("", "_")
)
HANDLES: dict[str, Handle] = {f"aten::{name}": _guarded(f"aten::{name}", count) for name, count in _COUNTS.items()}

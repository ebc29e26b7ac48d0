"""How many multiply-adds each operator does, from the shapes in a trace.

``HANDLES`` maps an operator to a function of its inputs and outputs, as fvcore calls it. ``FREE`` lists the operators
that do none by our convention: they move, compare or change elements one by one, sum, sort, normalise, pool or
interpolate. An operator that is in neither has no known count, but for the few by which a trace reads a tensor's size.

In a trace every tensor has a shape. Where one lacks it, the count is a marker (``UNCOUNTED``) and never a zero.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from nas_moo.objectives.flop_einsum import einsum_products

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
    shapes = [_shape(v) for v in inputs[1].node().inputs()]
    try:
        return einsum_products(inputs[0].toIValue(), shapes, _integers(inputs[2]) if len(inputs) > 2 else ())
    except ValueError as error:
        raise _NoShapeError from error


def _integers(value: Any) -> list[int]:
    """What a constant list holds; nothing where it is None."""
    constant = value.toIValue()
    return [v.toIValue() for v in value.node().inputs()] if constant is None else list(constant)


def _tensordot(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Both operands together have the result's axes, and the summed ones twice."""
    out = math.prod(_shape(outputs[0]))
    both = math.prod(_shape(inputs[0])) * math.prod(_shape(inputs[1]))
    summed = math.isqrt(both // out) if out else 0
    if summed * summed * out != both:  # an axis of one element was broadcast
        raise _NoShapeError
    return out * summed


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
    "tensordot": _tensordot,
    "vdot": _product_over(0),
}

_NORMS = """batch_norm group_norm instance_norm layer_norm rms_norm local_response_norm norm linalg_vector_norm
    linalg_norm frobenius_norm nuclear_norm cosine_similarity pairwise_distance renorm embedding_renorm
    _weight_norm"""
_POOLING = """adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool1d_with_indices
    max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d fractional_max_pool2d
    fractional_max_pool3d"""
_INTERPOLATION = """upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d
    upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler affine_grid_generator"""
_ACTIVATIONS = """celu elu gelu glu hardsigmoid hardswish hardtanh leaky_relu log_sigmoid log_softmax mish prelu relu
    relu6 rrelu selu sigmoid silu softmax softmin softplus softshrink hardshrink softsign tanh threshold alpha_dropout
    dropout feature_alpha_dropout feature_dropout"""
_ELEMENTWISE = """abs acos acosh add addcdiv addcmul addr angle asin asinh atan atan2 atanh ceil clamp clamp_max
    clamp_min clip complex conj copysign cos cosh cumprod cumsum deg2rad div divide erf erfc erfinv exp exp2 expm1
    float_power floor floor_divide fmod frac hypot imag lerp lgamma log log10 log1p log2 logaddexp logcumsumexp
    logical_and logical_not logical_or logical_xor logit maximum minimum mul multiply nan_to_num neg negative polar
    positive pow rad2deg real reciprocal remainder round rsqrt rsub sgn sign signbit sin sinc sinh special_expit
    special_log_softmax special_softmax sqrt square sub subtract tan true_divide trunc view_as_complex view_as_real
    where xlogy ger kron outer bitwise_and bitwise_not bitwise_or bitwise_xor eq equal ge gt isclose le lt ne isnan
    isinf isfinite isin __and__ __or__ __xor__ _thnn_fused_lstm_cell _thnn_fused_gru_cell"""
_REDUCTIONS = """all amax amin aminmax any argmax argmin argsort count_nonzero cummax cummin kthvalue logsumexp max mean
    median min mode nanmean nansum prod sort std std_mean sum topk trace var var_mean"""
_MOVES = """adjoint alias arange as_strided bernoulli block_diag broadcast_tensors broadcast_to bucketize cartesian_prod
    channel_shuffle chunk clone contiguous copy detach empty expand flatten full_like gather index narrow new_empty
    new_full new_zeros nonzero ones permute reshape roll select slice split split_with_sizes stack t to transpose
    type_as unbind view zeros zeros_like _pack_padded_sequence _pad_packed_sequence
    col2im column_stack concat concatenate constant_pad_nd cat diag diag_embed diagonal diff dstack embedding
    embedding_bag empty_like expand_as eye fill flip fliplr flipud full
    hsplit hstack vsplit vstack im2col index_add index_copy index_fill index_put index_select is_nonzero item lift_fresh
    linspace logspace masked_fill masked_select meshgrid mH mT matrix_H
    movedim moveaxis native_dropout new_ones new_tensor normal numel numpy_T one_hot ones_like pad pixel_shuffle
    pixel_unshuffle rand rand_like randint randn randn_like randperm ravel reflection_pad1d reflection_pad2d
    reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape_as
    resolve_conj resolve_neg rot90 scatter scatter_add scatter_reduce searchsorted select_scatter slice_scatter
    scalar_tensor squeeze swapaxes swapdims take take_along_dim tensor_split tile tril tril_indices triu triu_indices
    unflatten unfold uniform unsafe_chunk
    unsafe_split unsqueeze view_as zero __getitem__ dim is_floating_point FloatImplicit IntImplicit Float Bool"""

# In place or not, an operator does the same work.
FREE = frozenset(
    f"aten::{name}{suffix}"
    for group in (_NORMS, _POOLING, _INTERPOLATION, _ACTIVATIONS, _ELEMENTWISE, _REDUCTIONS, _MOVES)
    for name in group.split()
    for suffix in ("", "_")
)
HANDLES: dict[str, Handle] = {f"aten::{name}": _guarded(f"aten::{name}", count) for name, count in _COUNTS.items()}

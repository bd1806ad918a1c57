"""Attention computes what PyTorch and the formula say, and so do its gradients; a cache changes nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import assert_close, numbers, of_leaves, slopes
from sequence_oracles import (
    assert_is_pytorchs,
    assert_is_the_formulas,
    attention_formula,
    drawn,
    multi_head_formula,
    set_drawn,
)

from tinygrad_lite import Value, no_grad, topological_order
from tinygrad_lite import sum as total
from tinygrad_lite.nn import Module
from tinygrad_lite.nn.base.shapes import flat
from tinygrad_lite.nn.layers.attention import MultiHeadAttention, MultiheadAttention
from tinygrad_lite.nn.layers.kv_cache import KVCache
from tinygrad_lite.nn.layers.scaled_dot_product import scaled_dot_product_attention
from tinygrad_lite.testing import Verdict, check_gradients

FEW = settings(max_examples=settings().max_examples // 4)
seeds = st.integers(0, 2**16)
sizes = st.integers(1, 3)
several = st.sampled_from([3, 2, 1])  # the first most often
#: embed_dim and num_heads.
heads = st.sampled_from([(4, 2), (6, 3), (2, 2), (2, 1), (1, 1)])
INF = math.inf


def visible(seed: int, *shape: int) -> Any:
    """Which keys are seen: about half, and at least one of each row."""
    seen = np.random.default_rng(seed).random(shape) < 0.5
    seen[..., 0] |= ~seen.any(axis=-1)
    return seen


def additive(seed: int, seen: Any) -> Any:
    """Numbers to add to the scores, -inf where a key is not seen."""
    return np.where(seen, drawn(seed, *seen.shape), -INF)


class Function(Module):
    """The function as a module without parameters."""

    def forward(self, *args: Any, **options: Any) -> Any:
        return scaled_dot_product_attention(*args, **options)


# ------------------------------------------------------------------------------------- the formula, in NumPy


@FEW
@given(shape=st.tuples(sizes, sizes, sizes, sizes), masked=st.booleans(), seed=seeds)
def test_scaled_dot_product_attention_and_its_gradients_are_those_of_the_formula(
    shape: tuple[int, int, int, int], masked: bool, seed: int
) -> None:
    length, keys, size, width = shape
    inputs = [drawn(seed, length, size), drawn(seed + 1, keys, size), drawn(seed + 2, keys, width)]
    seen = visible(seed, length, keys) if masked else np.ones((length, keys), bool)
    mask = seen.tolist() if masked else None
    assert_is_the_formulas(
        Function(),
        lambda *xs: [scaled_dot_product_attention(*xs, attn_mask=mask)],
        lambda *xs: [attention_formula(*xs, seen)],
        inputs,
        seed,
    )


@settings(max_examples=15)
@given(heads=heads, length=sizes, bias=st.booleans(), causal=st.booleans(), seed=seeds)
def test_multi_head_attention_and_its_gradients_are_those_of_the_formula(
    heads: tuple[int, int], length: int, bias: bool, causal: bool, seed: int
) -> None:
    layer = MultiHeadAttention(*heads, bias=bias)
    seen = np.tril(np.ones((length, length), bool)) if causal else np.ones((length, length), bool)
    assert_is_the_formulas(
        layer,
        lambda x: [layer(x, is_causal=causal)],
        lambda x, **state: [multi_head_formula(x, x, x, seen, heads[1], **state)],
        [drawn(seed, length, heads[0])],
        seed,
    )


def test_derivatives_are_those_of_60_digit_arithmetic() -> None:
    def causal(layer: Any, xs: Any) -> Any:
        return layer(xs, is_causal=True)

    layer = MultiHeadAttention(2, 1, generator=0)
    assert check_gradients(causal, layer, [[0.5, 0.25], [-0.7, 0.3]], order=1).verdict is Verdict.CORRECT


# ------------------------------------------------------------------------------------------------- PyTorch


@pytest.mark.parametrize("kind", ["none", "bool", "added", "all axes", "causal"])
@pytest.mark.parametrize("scale", [None, 0.3])
@settings(max_examples=8)
@given(batch=st.lists(sizes, max_size=2), shape=st.tuples(several, several, several, sizes), seed=seeds)
def test_scaled_dot_product_attention_is_pytorchs(
    batch: list[int], shape: tuple[int, int, int, int], kind: str, scale: float | None, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    length, keys, size, width = shape
    seen = visible(seed, *(batch if kind == "all axes" else ()), length, keys)
    mask = {"bool": seen, "added": additive(seed, seen), "all axes": additive(seed, seen)}.get(kind)
    options = {"is_causal": kind == "causal", "scale": scale}
    function = torch.nn.functional.scaled_dot_product_attention
    theirs = None if mask is None else torch.from_numpy(mask)
    assert_is_pytorchs(
        Function(),
        torch.nn.Module(),
        lambda *xs: [scaled_dot_product_attention(*xs, mask, **options)],
        lambda *xs: [function(*xs, theirs, **options)],
        [drawn(seed, *batch, length, size), drawn(seed + 1, *batch, keys, size), drawn(seed + 2, *batch, keys, width)],
        seed,
    )


@pytest.mark.parametrize("mask", ["none", "shared", "for each head", "causal"])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("added", [False, True])
@settings(max_examples=8)
@given(
    heads=heads,
    shape=st.tuples(st.integers(0, 2), several, several),
    bias=st.booleans(),
    crossed=st.booleans(),
    average=st.booleans(),
    seed=seeds,
)
def test_multi_head_attention_is_pytorchs(
    heads: tuple[int, int],
    shape: tuple[int, int, int],
    bias: bool,
    crossed: bool,
    mask: str,
    padded: bool,
    added: bool,
    average: bool,
    seed: int,
) -> None:
    torch = pytest.importorskip("torch")
    batch, length, keys = shape if crossed else (shape[0], shape[1], shape[1])
    axes = (batch,) if batch else ()
    inputs = [drawn(seed, *axes, length, heads[0])]
    if crossed:
        inputs += [drawn(seed + k, *axes, keys, heads[0]) for k in (1, 2)]
    padding = np.ones((*axes, keys), bool)
    seen = np.ones((length, keys), bool)
    if padded:
        padding[..., 1:] = visible(seed + 3, *axes, keys)[..., 1:]
    if mask in ("shared", "for each head"):
        seen = visible(seed + 4, *((max(1, batch) * heads[1],) if mask == "for each head" else ()), length, keys)
        seen[..., 0] = True  # so that with the padding, which spares the first key, no query sees nothing
    elif mask == "causal":
        seen = np.tril(seen)
    layer, twin = (
        MultiHeadAttention(*heads, bias=bias),
        torch.nn.MultiheadAttention(*heads, bias=bias, batch_first=True),
    )
    masks: dict[str, Any] = {}
    if padded:
        masks["key_padding_mask"] = additive(seed + 5, padding) if added else ~padding
    if mask != "none":
        masks["attn_mask"] = additive(seed + 6, seen) if added else ~seen
    theirs = {name: torch.from_numpy(array) for name, array in masks.items()}
    if mask == "causal" and not added:
        del masks["attn_mask"]
        masks["is_causal"] = True

    def ours(*xs: Any) -> list[Any]:
        return list(layer(*xs, need_weights=True, average_attn_weights=average, **masks))

    def pytorchs(*xs: Any) -> list[Any]:
        return list(twin(*(xs if crossed else xs * 3), need_weights=True, average_attn_weights=average, **theirs))

    assert_is_pytorchs(layer, twin, ours, pytorchs, inputs, seed)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_the_class_with_pytorchs_name_is_called_as_in_pytorch(batch_first: bool, batched: bool) -> None:
    torch = pytest.importorskip("torch")
    layer = MultiheadAttention(4, 2, batch_first=batch_first)
    twin = torch.nn.MultiheadAttention(4, 2, batch_first=batch_first)
    inputs = [drawn(k, 3, 2, 4) if batched else drawn(k, 3, 4) for k in range(3)]
    assert_is_pytorchs(layer, twin, lambda *xs: list(layer(*xs)), lambda *xs: list(twin(*xs)), inputs)
    output, weights = layer(*inputs, need_weights=False)
    assert weights is None
    assert output.shape == inputs[0].shape


def test_parameters_begin_as_in_pytorch() -> None:
    state = MultiHeadAttention(8, 2, generator=0).state_dict()
    assert {name: array.shape for name, array in state.items()} == {
        "in_proj_weight": (24, 8),
        "in_proj_bias": (24,),
        "out_proj.weight": (8, 8),
        "out_proj.bias": (8,),
    }
    assert not state["in_proj_bias"].any()
    assert not state["out_proj.bias"].any()
    for name, bound in (("in_proj_weight", math.sqrt(6 / 32)), ("out_proj.weight", math.sqrt(1 / 8))):
        assert 0.9 * bound < np.abs(state[name]).max() <= bound
    again = MultiHeadAttention(8, 2, generator=0).state_dict()
    assert all((state[name] == again[name]).all() for name in state)


# ------------------------------------------------------------------------------------------- causal attention


def test_an_output_depends_on_no_later_input_and_on_all_earlier_ones() -> None:
    leaves = of_leaves(drawn(0, 4, 4))
    outputs = MultiHeadAttention(4, 2, generator=0)(leaves, is_causal=True)
    total(outputs[1]).backward()
    gradient = slopes(leaves)
    assert (gradient[2:] == 0.0).all()
    assert (gradient[:2] != 0.0).all()
    assert not {id(x) for x in flat(leaves[2:])} & {id(node) for node in topological_order(outputs[1][0], leaves=True)}


def test_position_i_is_a_softmax_of_as_many_terms_as_it_sees() -> None:
    outputs = MultiHeadAttention(2, 1, generator=0)(drawn(0, 4, 2).tolist(), is_causal=True)
    nodes = topological_order(total(list(flat(outputs))))
    terms = sorted(len(node.parents) - 1 for node in nodes if node.op == "softmax")
    assert terms == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4]


def test_the_first_position_takes_its_own_value_exactly() -> None:
    xs, value = drawn(0, 2, 3).tolist(), drawn(1, 2, 3).tolist()
    ((*first,), _) = scaled_dot_product_attention(xs, xs, value, is_causal=True)
    assert [y.data for y in first] == value[0]


def test_causal_and_a_mask_hold_both() -> None:
    layer, xs = MultiHeadAttention(2, 1, generator=0), drawn(0, 3, 2).tolist()
    mask = [[False, False, False], [True, False, False], [False, True, False]]
    _, weights = layer(xs, attn_mask=mask, is_causal=True, need_weights=True)
    assert (numbers(weights) > 0).tolist() == [[True, False, False], [False, True, False], [True, False, True]]


# ------------------------------------------------------------------------------------------------- the cache


@FEW
@given(
    heads=heads,
    pieces=st.lists(sizes, min_size=1, max_size=4),
    batch=st.integers(0, 2),
    batch_first=st.booleans(),
    padded=st.booleans(),
    seed=seeds,
)
def test_a_sequence_in_pieces_with_a_cache_is_the_whole_sequence_bit_for_bit(
    heads: tuple[int, int], pieces: list[int], batch: int, batch_first: bool, padded: bool, seed: int
) -> None:
    layer = MultiHeadAttention(*heads, batch_first=batch_first)
    set_drawn(layer, seed)
    length, axes = sum(pieces), (batch,) if batch else ()
    along = 1 if batch and batch_first else 0
    xs = drawn(seed, *axes, length, heads[0])
    if batch and not batch_first:
        xs = xs.swapaxes(0, 1)
    padding = np.zeros((*axes, length), bool)
    if padded and length > 2:
        padding[..., 1:2] = True
        pieces = [2, *([1] * (length - 2))]  # position 1 is padding, and sees position 0
    whole = layer(xs, key_padding_mask=padding, is_causal=True)
    cache, parts, end = KVCache(), [], 0
    for piece in pieces:
        start, end = end, end + piece
        part = np.take(xs, range(start, end), axis=along)
        parts.append(numbers(layer(part, key_padding_mask=padding[..., :end], cache=cache)))
        assert cache.length == end
    assert (np.concatenate(parts, axis=along) == numbers(whole)).all()


def test_gradients_go_through_the_cache() -> None:
    layer, xs = MultiHeadAttention(4, 2, generator=0), drawn(0, 3, 4)
    whole, pieces = of_leaves(xs), of_leaves(xs)
    total(layer(whole, is_causal=True)[2]).backward()
    cache = KVCache()
    for x in pieces:
        ((*last,),) = layer([x], cache=cache)
    total(last).backward()
    assert_close(slopes(pieces), slopes(whole))
    assert slopes(pieces).all()


def test_one_cache_serves_several_layers_and_another_sequence_needs_another() -> None:
    first, second, xs = MultiHeadAttention(2, 1, generator=0), MultiHeadAttention(2, 1, generator=1), drawn(0, 3, 2)
    whole = numbers(second(first(xs, is_causal=True), is_causal=True))
    for _ in range(2):
        cache = KVCache()
        with no_grad():
            pieces = [numbers(second(first(x[None], cache=cache), cache=cache)) for x in xs]
        assert (np.concatenate(pieces) == whole).all()


def test_a_cache_is_as_long_as_all_layers_have_seen() -> None:
    first, second, cache = MultiHeadAttention(2, 1), MultiHeadAttention(2, 1), KVCache()
    assert cache.length == 0
    for layer, expected in ((first, 1), (second, 1), (first, 1), (second, 2)):
        layer([[1.0, 2.0]], cache=cache)
        assert cache.length == expected


def test_a_call_that_is_refused_leaves_the_cache_as_it_was() -> None:
    layer, cache = MultiHeadAttention(2, 1, generator=0), KVCache()
    layer([[1.0, 2.0]], cache=cache)
    for arguments in ({"attn_mask": [[True, True]]}, {"attn_mask": [[True]]}):
        with pytest.raises(ValueError, match="MultiHeadAttention"):
            layer([[3.0, 4.0]], cache=cache, **arguments)
    assert repr(cache) == "KVCache(length=1)"


# --------------------------------------------------------------------------------------- masks and weights


def test_masks_mean_the_opposite_in_the_function_and_in_the_layer_as_in_pytorch() -> None:
    xs = [[1.0], [2.0]]
    ((first,), _) = scaled_dot_product_attention(xs, xs, xs, [[True, False], [True, True]])
    assert first.data == 1.0
    _, weights = MultiHeadAttention(1, 1)(xs, attn_mask=[[True, False], [False, False]], need_weights=True)
    assert [w.data for w in weights[0]] == [0.0, 1.0]


def test_what_is_added_to_the_scores_may_be_learnt() -> None:
    bias, xs = Value(0.7), [[1.0], [1.0]]
    _, second = scaled_dot_product_attention(xs, xs, [[0.0], [1.0]], [[0.0, -INF], [0.0, bias]])
    second[0].backward()
    p = 1 / (1 + math.exp(-0.7))
    assert math.isclose(second[0].data, p, rel_tol=1e-15)
    assert math.isclose(bias.grad, p * (1 - p), rel_tol=1e-15)


def test_weights_add_up_to_1() -> None:
    _, weights = MultiHeadAttention(4, 2, generator=0)(drawn(0, 2, 3, 4), is_causal=True, need_weights=True)
    assert weights.shape == (2, 3, 3)
    assert_close(numbers(weights).sum(axis=2), np.ones((2, 3)))
    assert (numbers(weights)[:, ~np.tril(np.ones((3, 3), bool))] == 0.0).all()


def test_weights_are_dropped_in_training_only() -> None:
    xs = drawn(0, 5, 4).tolist()
    layer, plain = MultiHeadAttention(4, 2, dropout=0.5, generator=0), MultiHeadAttention(4, 2)
    plain.load_state_dict(layer.state_dict())
    output, weights = layer(xs, need_weights=True, average_attn_weights=False)
    expected, kept = plain(xs, need_weights=True, average_attn_weights=False)
    ratios = numbers(weights) / numbers(kept)
    assert set(ratios.round(12).ravel()) == {0.0, 2.0}
    _, weights = layer.eval()(xs, need_weights=True, average_attn_weights=False)
    assert (numbers(weights) == numbers(kept)).all()
    assert (numbers(layer.eval()(xs)) == numbers(expected)).all()
    assert (numbers(output) != numbers(expected)).any()
    dropped = scaled_dot_product_attention(xs, xs, xs, dropout_p=1.0, generator=0)
    assert not numbers(dropped).any()


def test_numpy_bools_and_arrays_are_masks() -> None:
    xs = drawn(0, 2, 2)
    mask = np.array([[False, True], [False, False]])
    layer = MultiHeadAttention(2, 1, generator=0)
    outputs = [layer(xs, attn_mask=given) for given in (mask, mask.tolist(), [list(row) for row in mask])]
    assert (numbers(outputs[0]) == numbers(outputs[1])).all()
    assert (numbers(outputs[0]) == numbers(outputs[2])).all()
    assert isinstance(outputs[0], np.ndarray)


# -------------------------------------------------------------------------------------------------- errors

LAYER = MultiHeadAttention(4, 2, generator=0)
X = [[1.0] * 4] * 2
NAME = r"MultiHeadAttention\(4, 2\)"


def refused_with_cache(count: int, **options: Any) -> Any:
    cache = KVCache()
    LAYER([X], cache=cache)
    return LAYER([X] * count, cache=cache, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: MultiHeadAttention(6, 4),
            "6 numbers are not 4 equal parts; num_heads may be 1, 2, 3, 6",
        ),
        (lambda: MultiHeadAttention(0, 1), "embed_dim is a positive number, not 0"),
        (lambda: MultiHeadAttention(4, 2, dropout=2.0), "p is"),
        (
            lambda: LAYER([[1.0] * 3]),
            NAME + r" takes a query of shape \(L, 4\) or \(N, L, 4\), and was given one of shape \(1, 3\)",
        ),
        (
            lambda: MultiHeadAttention(4, 2, batch_first=False)([1.0] * 4),
            r"takes a query of shape \(L, 4\) or \(L, N, 4\), and was given one of shape \(4,\)",
        ),
        (lambda: LAYER(X, [X]), NAME + r" takes a key of shape \(S, 4\), and was given one of shape \(1, 2, 4\)"),
        (lambda: LAYER([X, X], [X]), NAME + r" takes a key of shape \(2, S, 4\), .* shape \(1, 2, 4\)"),
        (lambda: LAYER(X, X, X[:1]), NAME + r" takes a value of shape \(2, 4\), .* shape \(1, 4\)"),
        (lambda: LAYER(np.zeros((0, 4))), NAME + " takes at least one query and one key"),
        (
            lambda: LAYER(X, attn_mask=[[True, False]]),
            NAME + r" takes an attn_mask of shape \(2, 2\) or \(2, 2, 2\), and was given one of shape \(1, 2\)",
        ),
        (lambda: LAYER(X, key_padding_mask=[[True, False]]), NAME + r" takes a key_padding_mask of shape \(2,\), and"),
        (
            lambda: LAYER([X], key_padding_mask=[True, False]),
            NAME + r" takes a key_padding_mask of shape \(1, 2\), and",
        ),
        (lambda: LAYER(X, key_padding_mask=[True, True]), NAME + ": the masks leave no key for query 0, and a softmax"),
        (
            lambda: LAYER(X, attn_mask=[[False, True], [False, False]], key_padding_mask=[True, False]),
            "leave no key for query 0",
        ),
        (lambda: LAYER(X, attn_mask=[[0.0, 0.0], [-INF, -INF]]), "leave no key for query 1"),
        (lambda: LAYER(X, attn_mask=[[0.0, 0.0], [0.0, math.nan]]), "an attn_mask of finite numbers, .* not nan"),
        (lambda: LAYER(X, attn_mask=[[0.0, 0.0], [0.0, INF]]), "an attn_mask of finite numbers, .* not inf"),
        (lambda: LAYER(X, X[:1], cache=KVCache()), NAME + " keeps in a cache .* leave out key and value"),
        (lambda: refused_with_cache(2), NAME + r" was given 2 sequences with a cache of 1: .* new KVCache\(\)"),
        (
            lambda: scaled_dot_product_attention(X, [[1.0] * 3], [[1.0]]),
            r"scaled_dot_product_attention takes a key of shape \(S, 4\), and was given one of shape \(1, 3\)",
        ),
        (
            lambda: scaled_dot_product_attention(X, X, X[:1]),
            r"scaled_dot_product_attention takes a value of shape \(2, Ev\), and was given one of shape \(1, 4\)",
        ),
        (
            lambda: scaled_dot_product_attention(X, X, X, [[False, False], [True, True]]),
            "scaled_dot_product_attention: the masks leave no key for query 0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LAYER(X, attn_mask=[[1, 0], [1, 1]]), "True leaves a key out, .* ints may mean either: write True"),
        (lambda: LAYER(X, attn_mask=[[True, 0.0], [1.0, 1.0]]), "an attn_mask of bools, .* or of floats"),
        (lambda: scaled_dot_product_attention(X, X, X, [[1, 0], [1, 1]]), "where True keeps a key"),
        (lambda: LAYER(X, attn_mask="causal"), NAME + " takes an attn_mask of shape .* not str 'causal'"),
        (lambda: LAYER(X, key_padding_mask=[1, 0]), "takes a key_padding_mask of bools"),
        (lambda: LAYER([["a"] * 4]), NAME + " takes a query .* not str 'a'"),
    ],
)
def test_what_is_of_another_kind_is_refused(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_reprs_say_what_differs_from_the_default() -> None:
    assert repr(MultiHeadAttention(2, 1, 0.5, bias=False)) == (
        "MultiHeadAttention(2, 1, dropout=0.5, bias=False): 16 parameters"
    )
    assert repr(LAYER) == "MultiHeadAttention(4, 2): 80 parameters"

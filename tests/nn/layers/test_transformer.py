"""A transformer block computes what PyTorch and the formula say, and goes on with a cache as if it had seen all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import numbers, of_leaves, slopes
from sequence_oracles import assert_is_pytorchs, assert_is_the_formulas, drawn, multi_head_formula, set_drawn

from tinygrad_lite import no_grad, tanh
from tinygrad_lite import sum as total
from tinygrad_lite.nn import Module
from tinygrad_lite.nn.base.shapes import flat
from tinygrad_lite.nn.layers.kv_cache import KVCache
from tinygrad_lite.nn.layers.positions import LearnedPositions
from tinygrad_lite.nn.layers.transformer import TransformerBlock
from tinygrad_lite.testing import Verdict, check_gradients

FEW = settings(max_examples=settings().max_examples // 5)
seeds = st.integers(0, 2**16)
sizes = st.integers(1, 3)
heads = st.sampled_from([(4, 2), (2, 2), (2, 1)])


def normalised(x: Any, norm: str, weight: Any, bias: Any = 0.0) -> Any:
    if norm == "rms":
        return x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 2.0**-52) * weight
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + 1e-5) * weight + bias


def block_formula(x: Any, seen: Any, count: int, norm: str, norm_first: bool, **state: Any) -> Any:
    """Attention and feedforward part, with the normalisations where they belong."""

    def of(part: str) -> dict[str, Any]:
        return {name.removeprefix(part + "_"): w for name, w in state.items() if name.startswith(part)}

    def attend(x: Any) -> Any:
        return multi_head_formula(x, x, x, seen, count, **of("self_attn"))

    def feedforward(x: Any) -> Any:
        hidden = np.tanh(x @ state["linear1_weight"].T + state.get("linear1_bias", 0.0))
        return hidden @ state["linear2_weight"].T + state.get("linear2_bias", 0.0)

    for part, name in ((attend, "norm1"), (feedforward, "norm2")):
        x = x + part(normalised(x, norm, **of(name))) if norm_first else normalised(x + part(x), norm, **of(name))
    return x


@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("norm_first", [False, True])
@settings(max_examples=5)
@given(
    heads=heads,
    length=sizes,
    causal=st.booleans(),
    bias=st.booleans(),
    seed=seeds,
)
def test_values_and_gradients_are_those_of_the_formula(
    norm: str, norm_first: bool, heads: tuple[int, int], length: int, causal: bool, bias: bool, seed: int
) -> None:
    layer = TransformerBlock(*heads, 3, "tanh", norm=norm, norm_first=norm_first, causal=causal, bias=bias)
    seen = np.tril(np.ones((length, length), bool)) if causal else np.ones((length, length), bool)
    assert_is_the_formulas(
        layer,
        lambda x: [layer(x)],
        lambda x, **state: [block_formula(x, seen, heads[1], norm, norm_first, **state)],
        [drawn(seed, length, heads[0])],
        seed,
    )


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@settings(max_examples=8)
@given(
    heads=heads,
    shape=st.tuples(st.integers(0, 2), sizes),
    activation=st.sampled_from(["gelu", "relu"]),
    options=st.fixed_dictionaries({"bias": st.booleans(), "batch_first": st.booleans()}),
    padded=st.booleans(),
    seed=seeds,
)
def test_values_and_gradients_are_pytorchs(
    norm_first: bool,
    causal: bool,
    heads: tuple[int, int],
    shape: tuple[int, int],
    activation: str,
    options: dict[str, bool],
    padded: bool,
    seed: int,
) -> None:
    torch = pytest.importorskip("torch")
    batch, length = shape
    options = {**options, "norm_first": norm_first}
    axes = ((batch, length) if options["batch_first"] else (length, batch)) if batch else (length,)
    layer = TransformerBlock(*heads, 5, activation, causal=causal, **options)
    twin = torch.nn.TransformerEncoderLayer(*heads, 5, 0.0, activation, **options)
    padding = np.zeros((batch, length) if batch else (length,), bool)
    padding[..., 1:] = padded
    mask = torch.triu(torch.ones(length, length, dtype=torch.bool), 1) if causal else None
    assert_is_pytorchs(
        layer,
        twin,
        lambda x: [layer(x, key_padding_mask=padding)],
        lambda x: [twin(x, src_mask=mask, src_key_padding_mask=torch.from_numpy(padding))],
        [drawn(seed, *axes, heads[0])],
        seed,
    )


def test_derivatives_are_those_of_60_digit_arithmetic() -> None:
    layer = TransformerBlock(2, 1, feedforward=1, generator=0)
    report = check_gradients(lambda layer, xs: layer(xs)[1], layer, [[0.5, 0.25], [-0.7, 0.3]], order=1)
    assert report.verdict is Verdict.CORRECT


class Stack(Module):
    """Positions and blocks, as a language model has them."""

    def __init__(self, **options: Any) -> None:
        self.positions = LearnedPositions(8, 4, generator=0)
        self.blocks = [TransformerBlock(4, 2, generator=k, **options) for k in range(2)]

    def forward(self, xs: Any, cache: KVCache | None = None) -> Any:
        xs = self.positions(xs, offset=0 if cache is None else cache.length)
        for block in self.blocks:
            xs = block(xs, cache=cache)
        return xs


@FEW
@given(
    pieces=st.lists(sizes, min_size=1, max_size=4).filter(lambda pieces: sum(pieces) <= 8),
    norm=st.sampled_from(["layer", "rms"]),
    norm_first=st.booleans(),
    recorded=st.booleans(),
    seed=seeds,
)
def test_a_stack_of_blocks_with_one_cache_is_the_whole_sequence_bit_for_bit(
    pieces: list[int], norm: str, norm_first: bool, recorded: bool, seed: int
) -> None:
    model = Stack(norm=norm, norm_first=norm_first)
    set_drawn(model, seed)
    xs = drawn(seed, sum(pieces), 4)
    cache, parts = KVCache(), []
    assert cache.length == 0
    for piece in pieces:
        part = xs[cache.length : cache.length + piece]
        if recorded:
            parts.append(numbers(model(part, cache)))
        else:
            with no_grad():
                parts.append(numbers(model(part, cache)))
    assert (np.concatenate(parts) == numbers(model(xs))).all()


@pytest.mark.parametrize("causal", [True, False])
def test_an_output_depends_on_later_inputs_only_if_it_is_not_causal(causal: bool) -> None:
    leaves = of_leaves(drawn(0, 4, 4))
    set_drawn(layer := TransformerBlock(4, 2, causal=causal), 0)
    total(layer(leaves)[1]).backward()
    gradient = slopes(leaves)
    assert gradient[:2].all()
    assert gradient[2:].all() != causal
    assert gradient[2:].any() != causal


def test_masks_are_those_of_the_attention() -> None:
    leaves = of_leaves(drawn(0, 3, 4))
    layer = TransformerBlock(4, 2, causal=False, generator=0)
    masked = [[False, False, True]] * 3
    total(layer(leaves, attn_mask=masked)[0]).backward()
    assert [any(x.grad for x in xs) for xs in leaves] == [True, True, False]


@pytest.mark.parametrize("place", ["dropout", "dropout1", "dropout2"])
def test_each_dropout_has_its_place(place: str) -> None:
    xs = drawn(0, 3, 4)
    layer = TransformerBlock(4, 2, generator=0)
    set_drawn(layer, 0)
    getattr(layer, place).p = 1.0
    dropped = numbers(layer(xs))
    zeroed = {"dropout": layer.linear2.weight, "dropout1": layer.self_attn.out_proj, "dropout2": layer.linear2}[place]
    getattr(layer, place).p = 0.0
    for parameter in zeroed.parameters() if isinstance(zeroed, Module) else flat(zeroed):
        parameter.data = 0.0
    assert (dropped == numbers(layer(xs))).all()


def test_dropping_all_leaves_the_input_and_after_eval_nothing_is_dropped() -> None:
    xs = drawn(0, 3, 4).tolist()
    layer, plain = TransformerBlock(4, 2, dropout=1.0, generator=0), TransformerBlock(4, 2)
    plain.load_state_dict(layer.state_dict())
    assert (numbers(layer(xs)) == xs).all()
    assert (numbers(layer.eval()(xs)) == numbers(plain(xs))).all()


def test_an_activation_may_be_a_function_of_ones_own() -> None:
    first, second = TransformerBlock(2, 1, 3, "tanh", generator=0), TransformerBlock(2, 1, 3, tanh, generator=0)
    xs = drawn(0, 2, 2).tolist()
    assert (numbers(first(xs)) == numbers(second(xs))).all()


def test_parameters_depend_on_the_generator_alone_and_the_feedforward_part_is_four_times_as_wide() -> None:
    first, second = TransformerBlock(4, 2, generator=3), TransformerBlock(4, 2, generator=3)
    assert all((array == second.state_dict()[name]).all() for name, array in first.state_dict().items())
    assert first.state_dict()["linear1.weight"].shape == (16, 4)


def test_arrays_give_object_arrays() -> None:
    found = TransformerBlock(2, 1)(drawn(0, 3, 2, 2))
    assert isinstance(found, np.ndarray)
    assert found.shape == (3, 2, 2)
    assert all(math.isfinite(y.data) for y in flat(found))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TransformerBlock(6, 4), "6 numbers are not 4 equal parts"),
        (lambda: TransformerBlock(4, 2, norm="batch"), "norm is 'layer' or 'rms', not 'batch'"),
        (lambda: TransformerBlock(4, 2, activation="glu"), "no operation on one number is named 'glu'"),
        (
            lambda: TransformerBlock(4, 2)([[1.0]]),
            r"TransformerBlock\(4, 2\) takes an input of shape \(L, 4\) or \(N, L, 4\), and was given one .* \(1, 1\)",
        ),
        (
            lambda: TransformerBlock(4, 2, causal=False)([[1.0] * 4], cache=KVCache()),
            r"TransformerBlock\(4, 2, causal=False\) is not causal: .* a cache has no use",
        ),
        (lambda: TransformerBlock(4, 2)([[1.0] * 4], key_padding_mask=[True]), "the masks leave no key for query 0"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_reprs_say_what_differs_from_the_default() -> None:
    assert repr(TransformerBlock(2, 1)) == "TransformerBlock(2, 1): 74 parameters"
    options = {"norm": "rms", "norm_first": False, "causal": False, "bias": False, "batch_first": False}
    layer = TransformerBlock(2, 1, 3, "relu", 0.5, **options)
    assert layer.extra_repr() == (
        "2, 1, feedforward=3, activation='relu', dropout=0.5, norm='rms', norm_first=False, causal=False, bias=False, "
        "batch_first=False"
    )

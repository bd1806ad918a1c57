"""The GPT is PyTorch's with the same weights, is lifted as it is, and learns more of names than counting pairs does."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from tinygrad_lite.lift import lift
from tinygrad_lite.nn import AdamW, KVCache, evaluate, fit
from tinygrad_lite.nn.architectures import GPT, Example
from tinygrad_lite.nn.architectures.gpt import (
    ALPHABET,
    END,
    decode,
    encode,
    example,
    generate,
    next_character_loss,
    ngram_loss,
    split_names,
    stdlib_names,
    windows,
)
from tinygrad_lite.testing import Verdict, check_gradients
from tinygrad_lite.transforms import value_and_grad

WORDS = ("bisect_left", "bisect_right", "insort_left", "insort_right", "heappush", "heappop")


def small(words: tuple[str, ...] = WORDS, context: int = 5, width: int = 4, layers: int = 1) -> Example:
    return example(words, context, width, 2, layers, seed=3)


def small_model(context: int = 5, width: int = 4, layers: int = 1) -> GPT:
    model = small(WORDS, context, width, layers).model
    assert isinstance(model, GPT)
    return model


# ------------------------------------------------------------------------------------------------------ the model


def test_gradients_are_right() -> None:
    made = example(["ab"], 3, 2, 1, 1)
    inputs, targets = made.data
    model = GPT(3, 3, 2, 1, 1, generator=0)  # of three characters: a proof in 60 digits of few numbers
    x, y = [index % 3 for index in inputs[0]], [index % 3 for index in targets[0]]
    report = check_gradients(lambda model: made.of_one_sample(x, y, model), model, order=1)
    assert report.verdict is Verdict.CORRECT


@pytest.mark.parametrize("layers", [1, 2])
def test_logits_and_gradients_are_those_of_pytorch(layers: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    made, model = small(context=6, width=8, layers=layers), small_model(6, 8, layers)
    peer = torch_gpt(torch, model)
    inputs, targets = made.data
    logits = [model(x) for x in inputs]
    theirs = peer(torch.tensor(inputs))
    np.testing.assert_allclose(
        [[[z.data for z in row] for row in window] for window in logits], theirs.detach().numpy(), rtol=0, atol=1e-12
    )
    loss = made.loss(logits, targets)
    loss.backward()
    their_loss = torch.nn.functional.cross_entropy(theirs.flatten(0, 1), torch.tensor(targets).flatten())
    their_loss.backward()
    assert loss.data == pytest.approx(their_loss.item(), rel=1e-12)
    slopes = {name: p.grad for name, p in model.named_parameters()}
    for name, parameter in peer.named_parameters():
        for place, slope in np.ndenumerate(parameter.grad.numpy()):
            assert slopes[".".join([name, *map(str, place)])] == pytest.approx(slope, rel=1e-9, abs=1e-13)


def torch_gpt(torch: Any, model: GPT) -> Any:
    """The same network of PyTorch's modules, with the same weights."""
    width, heads = model.tokens.embedding_dim, model.blocks[0].self_attn.num_heads

    class Positions(torch.nn.Module):  # type: ignore[misc]  # torch is Any
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(model.context, width))

    class Peer(torch.nn.Module):  # type: ignore[misc]  # torch is Any
        def __init__(self) -> None:
            super().__init__()
            self.tokens = torch.nn.Embedding(model.tokens.num_embeddings, width)
            self.positions = Positions()
            self.blocks = torch.nn.ModuleList(
                torch.nn.TransformerEncoderLayer(
                    width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
                )
                for _ in model.blocks
            )
            self.norm = torch.nn.LayerNorm(width)
            self.head = torch.nn.Linear(width, model.tokens.num_embeddings, bias=False)

        def forward(self, x: Any) -> Any:
            length = x.shape[1]
            mask = torch.ones(length, length, dtype=torch.bool).triu(1)
            h = self.tokens(x) + self.positions.weight[:length]
            for block in self.blocks:
                h = block(h, src_mask=mask)
            return self.head(self.norm(h))

    peer = Peer().double()
    peer.load_state_dict({name: torch.tensor(np.array(w)) for name, w in model.state_dict().items()})
    return peer


def test_what_comes_later_changes_nothing_before() -> None:
    model = small_model()
    first, second = (model(encode(text)) for text in ("heapp", "hea_Z"))
    for t in range(3):
        assert [z.data for z in first[t]] == [z.data for z in second[t]]
    assert [z.data for z in first[3]] != [z.data for z in second[3]]


def test_with_a_cache_the_scores_are_the_same() -> None:
    model, cache = small_model(layers=2), KVCache()
    whole = model(encode("heapp"))
    for index, row in zip(encode("heapp"), whole, strict=True):
        (scores,) = model([index], cache=cache)
        assert [z.data for z in scores] == [z.data for z in row]


def test_attention_is_what_the_blocks_take() -> None:
    model = small_model(width=8, layers=2)
    maps = model.attention(encode("heapp"))
    assert np.shape(maps) == (2, 2, 5, 5)
    np.testing.assert_allclose(np.sum(maps, axis=-1), 1.0, rtol=1e-12)
    assert np.array_equal(np.triu(maps, 1), np.zeros((2, 2, 5, 5)))
    # From the formula: softmax of q·k/√size over the positions seen, of the first block.
    block, x = model.blocks[0], model.positions(model.tokens(encode("heapp")))
    normed = np.array([[v.data for v in row] for row in block.norm1(x)])
    weight = np.array([[w.data for w in row] for row in block.self_attn.in_proj_weight])
    q, k = ((normed @ weight[rows].T).reshape(5, 2, 4) for rows in (slice(0, 8), slice(8, 16)))
    scores = np.where(np.tri(5, dtype=bool), np.einsum("ihe,jhe->hij", q, k) / 2.0, -np.inf)
    expected = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(maps[0], expected, atol=1e-14)


# ------------------------------------------------------------------------------------------------ lifted, and trained


def test_lifted_loss_and_gradients_are_the_eager_ones() -> None:
    made = small(context=3)
    x, y = (np.array(part, dtype=float) for part in made.data)
    program = lift(value_and_grad(lambda m, x, y: made.of_one_sample(x, y, m)), batch=(None, 0, 0))
    value, slopes = program(made.model, x, y)
    eager = made.loss([made.model(window) for window in made.data[0]], made.data[1])
    eager.backward()
    assert value == pytest.approx(eager.data, rel=1e-12)
    expected = {name: p.grad for name, p in made.model.named_parameters()}
    found = {f"{name}.{'.'.join(map(str, at))}": slope for name in slopes for at, slope in np.ndenumerate(slopes[name])}
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.slow
def test_machine_code_gives_the_eager_loss() -> None:  # without gradients, as 130 groups take half a minute to compile
    pytest.importorskip("numba", reason="the fast extra is not installed")
    made = small(context=3)
    x, y = (np.array(part, dtype=float) for part in made.data)
    program = lift(lambda m, x, y: made.of_one_sample(x, y, m), batch=(None, 0, 0), engine="numba")
    eager = made.loss([made.model(window) for window in made.data[0]], made.data[1])
    assert program(made.model, x, y) == pytest.approx(eager.data, rel=1e-12)


def test_training_is_the_eager_one() -> None:
    def trained(engine: str) -> tuple[list[float], list[float]]:
        made = small(context=4)
        optimizer = AdamW(made.model.parameters(), lr=0.01)
        history = fit(
            made.model, made.loss, made.data, optimizer, 3, batch_size=2, engine=engine, progress=False, generator=0
        )
        return history["loss"], [p.data for p in made.model.parameters()]

    for eager, lifted in zip(trained("eager"), trained("numpy"), strict=True):
        np.testing.assert_allclose(lifted, eager, rtol=0, atol=1e-9)


def test_the_program_does_not_grow_with_the_context() -> None:
    def groups(context: int) -> int:
        made = small(context=context)
        x, y = (np.array(part, dtype=float) for part in made.data)
        program = lift(value_and_grad(lambda m, x, y: made.of_one_sample(x, y, m)), batch=(None, 0, 0))
        found: int = program.program_for(made.model, x, y).report().groups
        return found

    assert groups(4) <= groups(7) <= 140


@pytest.mark.slow  # the training of which the page on architectures tells
def test_it_learns_more_of_names_than_counting_pairs_does() -> None:
    names = stdlib_names(("bisect", "heapq", "textwrap", "string", "operator", "statistics", "fractions"))
    made = example(names, 8, 12, 2, 1)
    fit(
        made.model,
        made.loss,
        made.data,
        AdamW(made.model.parameters(), lr=0.03),
        20,
        batch_size=16,
        engine="numpy",
        progress=False,
        generator=0,
    )
    found = evaluate(made.model, made.loss, made.data)["loss"]
    assert found < ngram_loss(made.data, made.data, 2, strength=1.0)  # both on what they were trained on


def test_names_begin_as_told_and_end_where_there_are_no_more_positions() -> None:
    model = small_model()
    names = [generate(model, start="he", generator=seed) for seed in range(5)]
    assert all(name.startswith("he") and len(name) <= model.context for name in names)
    assert names == [generate(model, start="he", generator=seed) for seed in range(5)]
    with pytest.raises(ValueError, match="temperature is positive"):
        generate(model, 0.0)


def test_a_low_temperature_takes_the_likeliest_character() -> None:
    model = small_model()
    best = max(range(64), key=lambda index: model(encode(END))[-1][index].data)
    assert best != 0
    assert all(generate(model, 1e-6, generator=seed)[0] == decode([best]) for seed in range(3))


# ------------------------------------------------------------------------------------------------------- the data


def test_names_are_those_of_the_sources() -> None:
    assert {"heappush", "heappop", "nlargest"} <= set(stdlib_names(("heapq",)))
    assert "TextWrapper" in stdlib_names(("textwrap",))
    assert stdlib_names(("heapq", "textwrap")) == tuple(
        sorted({*stdlib_names(("heapq",)), *stdlib_names(("textwrap",))})
    )
    assert all(set(name) <= set(ALPHABET[1:]) and 3 <= len(name) <= 15 for name in stdlib_names(("json", "heapq")))


def test_windows_are_the_text_one_character_apart() -> None:
    inputs, targets = windows(WORDS, 6)
    assert len(inputs) == len(targets)
    assert {len(window) for window in (*inputs, *targets)} == {6}
    assert all(x[1:] == y[:-1] and x[0] == encode(END)[0] for x, y in zip(inputs, targets, strict=True))
    assert [decode(y)[:5] for y in targets[:3]] == [word[:5] for word in WORDS[:3]]


def test_names_are_either_taught_or_held_out() -> None:
    train, test = split_names(WORDS, 0.3)
    assert len(test) == 2
    assert sorted([*train, *test]) == sorted(WORDS)


def test_text_without_accents_only() -> None:
    assert decode(encode("Az_9\n")) == "Az_9\n"
    with pytest.raises(ValueError, match="'é' is none"):
        encode("é")


def test_unigrams_are_the_entropy_of_what_was_counted() -> None:
    text = windows(WORDS, 6)
    flat = [index for window in text[1] for index in window]
    shares = [flat.count(index) / len(flat) for index in set(flat)]
    assert ngram_loss(text, text, 1, strength=1e-12) == pytest.approx(-sum(p * math.log(p) for p in shares))


def test_ngrams_are_distributions() -> None:
    rng = random.Random(0)
    text = windows(WORDS, 6)
    for n in (1, 2, 3):
        before = [rng.randrange(64) for _ in range(4)]
        p = [math.exp(-ngram_loss(text, ([before], [[0, 0, 0, k]]), n) * 4) for k in range(64)]
        fixed = [math.exp(-ngram_loss(text, ([before[:3]], [[0, 0, 0]]), n) * 3)]
        assert sum(p) / fixed[0] == pytest.approx(1.0)


def test_loss_is_cross_entropy_over_all_positions() -> None:
    scores = [[[1.0, 2.0], [0.5, -1.0]], [[0.0, 0.0], [3.0, 1.0]]]
    pairs = [([1.0, 2.0], 0), ([0.5, -1.0], 1), ([0.0, 0.0], 1), ([3.0, 1.0], 0)]
    expected = np.mean([np.log(np.exp(z).sum()) - z[k] for z, k in pairs])
    assert next_character_loss(scores, [[0, 1], [1, 0]]).data == pytest.approx(expected)

"""GPT: a transformer that writes the next character, here of the names in Python's own standard library.

The model is that of Radford et al. (2018, "Improving language understanding by generative pre-training"), normalised
before each part as in GPT-2: a vector for each character, one for each position, blocks in which positions look back at
those before them, and at the end a score for each character that may come next. Generation goes character by character.

The names are read from the sources of the Python that runs, not from a list kept here: they are real, and the reader's
own. They differ a little from one version of Python to the next, and figures with them.
"""

from __future__ import annotations

import ast
import math
import random
import string
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from tinygrad_lite.functions import softmax
from tinygrad_lite.modes import no_grad
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.init import normal_
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.base.shapes import Nest
from tinygrad_lite.nn.layers.embedding import Embedding
from tinygrad_lite.nn.layers.kv_cache import KVCache
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.layers.normalization import LayerNorm
from tinygrad_lite.nn.layers.positions import LearnedPositions
from tinygrad_lite.nn.layers.transformer import TransformerBlock
from tinygrad_lite.nn.losses.class_losses import cross_entropy
from tinygrad_lite.value import Value

#: What stands before, between and after names.
END: Final = "\n"
#: The characters, by index: 64 of them.
ALPHABET: Final = END + string.digits + string.ascii_uppercase + "_" + string.ascii_lowercase
#: The positions that the model sees, if not told otherwise.
CONTEXT: Final = 16
#: How many characters a name has: at the most so many that it and its end fit.
_LENGTHS: Final = range(3, CONTEXT)
#: Of the standard library, but written to test or to teach.
_LEFT_OUT: Final = frozenset({"test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "this", "antigravity"})


# ------------------------------------------------------------------------------------------------------- the model


class GPT(Module):
    """Scores for the next character at each position, from this character and those before it.

    Args:
        vocabulary: How many characters there are.
        context: How many positions there are.
        embed_dim: E, the size of the vectors.
        num_heads: How many heads each block has; E is a multiple of it.
        layers: How many blocks there are.
        generator: What the parameters are drawn from: a ``random.Random``, an int that seeds one, or None. Embeddings
            begin normal with standard deviation 0.2 (0.02 in GPT, from where so small a model learns more slowly),
            everything else as in its layer.

    Attributes:
        tokens: The :class:`~tinygrad_lite.nn.Embedding` of the characters.
        positions: The :class:`~tinygrad_lite.nn.LearnedPositions`.
        blocks: The :class:`~tinygrad_lite.nn.TransformerBlock` of each layer, in a list.
        norm: The last :class:`~tinygrad_lite.nn.LayerNorm`.
        head: The :class:`~tinygrad_lite.nn.Linear` that makes scores of vectors.

    Raises:
        ValueError: A size is not positive, or E is no multiple of ``num_heads``.

    >>> model = GPT(64, 4, embed_dim=8, num_heads=2, layers=1, generator=0)
    >>> scores = model(encode("get_"))
    >>> len(scores), len(scores[0])
    (4, 64)

    What comes later changes nothing before:

    >>> model(encode("getX"))[2][0].data == scores[2][0].data
    True
    """

    def __init__(
        self,
        vocabulary: int = len(ALPHABET),
        context: int = CONTEXT,
        embed_dim: int = 32,
        num_heads: int = 4,
        layers: int = 1,
        *,
        generator: Generator = None,
    ) -> None:
        rng = as_generator(generator)
        self.context = context
        self.tokens = Embedding(vocabulary, embed_dim, generator=rng)
        self.positions = LearnedPositions(context, embed_dim, generator=rng)
        for embedding in (self.tokens, self.positions):
            normal_(embedding.weight, std=0.2, generator=rng)
        self.blocks = [TransformerBlock(embed_dim, num_heads, generator=rng) for _ in range(layers)]
        self.norm = LayerNorm(embed_dim)
        self.head = Linear(embed_dim, vocabulary, bias=False, generator=rng)

    def forward(self, input: Nest, cache: KVCache | None = None) -> Nest:
        """Compute the scores of each character at each position.

        Args:
            input: The indices of T characters.
            cache: What earlier calls have seen, if these characters follow on those.

        Returns:
            T lists of as many scores as there are characters; softmax makes probabilities of them.

        Raises:
            ValueError: There are more characters than positions.
            IndexError: There is no character of such an index.
            TypeError: An index is no whole number.
        """
        x = self.positions(self.tokens(input), offset=0 if cache is None else cache.length)
        for block in self.blocks:
            x = block(x, cache=cache)
        return self.head(self.norm(x))

    def attention(self, input: Nest) -> list[Any]:
        """Return how much each position looks at each, in each head of each block.

        Args:
            input: The indices of T characters.

        Returns:
            For each block a nest of numbers of shape (heads, T, T): row i is what position i takes from which
            position; each row adds up to 1.

        >>> model = GPT(64, 4, embed_dim=8, num_heads=2, layers=1, generator=0)
        >>> rows = model.attention(encode("get"))[0][1]
        >>> rows[0]  # the first position sees itself only
        [1.0, 0.0, 0.0]
        """
        maps = []
        with no_grad():
            x = self.positions(self.tokens(input))
            for block in self.blocks:
                _, heads = block.self_attn(
                    block.norm1(x), need_weights=True, average_attn_weights=False, is_causal=True
                )
                maps.append([[[weight.data for weight in row] for row in rows] for rows in heads])
                x = block(x)
        return maps


def next_character_loss(outputs: Any, targets: Any) -> Value:
    """Cross entropy in nats: the mean of −log p of the character that did come next, over all positions of all windows.

    Args:
        outputs: For each window the scores at each position.
        targets: For each window the index of the next character at each position.

    >>> next_character_loss([[[0.0, 0.0], [0.0, 0.0]]], [[1, 0]]).data == math.log(2)
    True
    """
    scores = [position for window in outputs for position in window]
    loss: Value = cross_entropy(scores, [target for window in targets for target in window])
    return loss


def generate(model: GPT, temperature: float = 1.0, start: str = "", *, generator: Generator = None) -> str:
    """Draw a name character by character from the model's probabilities.

    Args:
        model: The model.
        temperature: What scores are divided by: below 1 the likely becomes likelier, above 1 all become more alike.
        start: What it begins with.
        generator: What is drawn from: a ``random.Random``, an int that seeds one, or None.

    Returns:
        The name with its start. It ends where the model ends it, or where its positions do.

    Raises:
        ValueError: The temperature is not positive, or the start has a character that no name has.

    >>> name = generate(GPT(embed_dim=8, num_heads=2, layers=1, generator=0), start="get_", generator=0)
    >>> name.startswith("get_"), len(name) <= 16
    (True, True)
    """
    if not temperature > 0.0:
        raise ValueError(f"temperature is positive, not {temperature!r}")
    rng = as_generator(generator)
    seen, name, new = KVCache(), start, encode(END + start)
    with no_grad():
        while len(name) < model.context:
            scores = model(new, cache=seen)[-1]
            probabilities = [p.data for p in softmax([score / temperature for score in scores])]
            new = rng.choices(range(len(scores)), probabilities)
            if decode(new) == END:
                break
            name += decode(new)
    return name


# -------------------------------------------------------------------------------------------------------- the data


def encode(text: str) -> list[int]:
    """Return the index of each character.

    Raises:
        ValueError: A character is not in :data:`ALPHABET`.

    >>> encode("ab"), decode([38, 39])
    ([38, 39], 'ab')
    """
    try:
        return [ALPHABET.index(character) for character in text]
    except ValueError:
        odd = next(character for character in text if character not in ALPHABET)
        raise ValueError(f"names are made of letters without accents, digits and _; {odd!r} is none") from None


def decode(indices: Sequence[int]) -> str:
    """Return the text of indices: the inverse of :func:`encode`."""
    return "".join([ALPHABET[index] for index in indices])


@cache
def stdlib_names(modules: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the public names of functions, methods and classes in the sources of Python's standard library, once each.

    Sources are parsed, never imported, as some modules do things when they are. Names that begin with an underscore are
    left out, as are those with fewer than 3 or more than 15 characters, and tests.

    Args:
        modules: Of which modules; None for all whose names do not begin with an underscore. Those written in C have no
            source, and give no names.

    Returns:
        The names in alphabetical order; they depend on the version of Python and on nothing else.

    >>> stdlib_names(("bisect",))
    ('bisect_left', 'bisect_right', 'insort_left', 'insort_right')
    """
    if modules is None:
        modules = tuple(sorted(name for name in sys.stdlib_module_names if not name.startswith("_")))
    found = {
        node.name
        for path in _sources(modules)
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    }
    return tuple(sorted(name for name in found if name[0] != "_" and name.isascii() and len(name) in _LENGTHS))


def _sources(modules: Sequence[str]) -> Iterator[Path]:
    """Yield the files of modules and of all that is below packages."""
    library = Path(sysconfig.get_path("stdlib"))
    for module in modules:
        file, folder = library / f"{module}.py", library / module
        paths = [file] if file.exists() else sorted(folder.rglob("*.py"))
        for path in paths:
            if not _LEFT_OUT.intersection(path.relative_to(library).with_suffix("").parts):
                yield path


def split_names(
    names: Sequence[str], held_out: float = 0.1, *, generator: Generator = 0
) -> tuple[list[str], list[str]]:
    """Return names to train on, and others that are held out to test with, drawn at random.

    Args:
        names: All names.
        held_out: The share of those that are held out.
        generator: What the order is drawn from: a ``random.Random``, an int that seeds one, or None.

    >>> train, test = split_names(["abs", "all", "any", "bin"], 0.25)
    >>> len(train), len(test)
    (3, 1)
    """
    shuffled = as_generator(generator).sample(list(names), len(names))
    count = round(held_out * len(names))
    return shuffled[count:], shuffled[:count]


def windows(names: Sequence[str], context: int = CONTEXT) -> tuple[list[list[int]], list[list[int]]]:
    """For each name the text that begins with it, and each position's next character: what a GPT learns from.

    The names stand one after the other with an end between them, and a window is ``context`` characters of that from
    the end before a name on. So all windows have one length, as ``lift`` needs it, there is nothing to pad and to mask,
    and a model sees the beginning of each name and not its middle only.

    Args:
        names: In the order in which they stand.
        context: The number of characters.

    Returns:
        Inputs and targets, a list of ``context`` indices for each name; the targets are one character further. The last
        names, after which there is not enough text, give none.

    >>> inputs, targets = windows(["abs", "all", "any"], context=5)
    >>> [decode(window) for window in inputs], [decode(window) for window in targets]
    (['\\nabs\\n', '\\nall\\n'], ['abs\\na', 'all\\na'])
    """
    text = encode(END + "".join([name + END for name in names]))
    starts = [i for i, index in enumerate(text) if index == 0 and i + context < len(text)]
    return [text[i : i + context] for i in starts], [text[i + 1 : i + 1 + context] for i in starts]


def ngram_loss(
    train: tuple[list[list[int]], list[list[int]]],
    test: tuple[list[list[int]], list[list[int]]],
    n: int,
    strength: float = 10.0,
) -> float:
    """Compute what counting reaches: the loss of an n-gram model on windows, at the same positions as a GPT's.

    A character's probability after the n − 1 before it is (count of these n + s·p)/(count of these n − 1 + s), where p
    is its probability after n − 2, and so on down to 1/64 each: a count that is small is smoothed by what is known of
    shorter contexts (MacKay & Peto 1995).

    Args:
        train: The windows to count in.
        test: The windows to predict.
        n: 1 for the frequency of each character (unigrams), 2 for pairs (bigrams), and so on.
        strength: s, how many counts the shorter context is worth.

    Returns:
        The mean of −log p over all positions, in nats.

    >>> text = windows(["abab", "abab", "abab"], context=5)
    >>> ngram_loss(text, text, 1) > ngram_loss(text, text, 2)
    True
    """
    counts: Counter[tuple[int, ...]] = Counter()
    totals: Counter[tuple[int, ...]] = Counter()
    for before, after in _places(train):
        for length in range(min(n, len(before) + 1)):
            context = before[len(before) - length :]
            counts[(*context, after)] += 1
            totals[context] += 1
    total = number = 0.0
    for before, after in _places(test):
        p = 1.0 / len(ALPHABET)
        for length in range(min(n, len(before) + 1)):
            context = before[len(before) - length :]
            p = (counts[(*context, after)] + strength * p) / (totals[context] + strength)
        total -= math.log(p)
        number += 1.0
    return total / number


def _places(text: tuple[list[list[int]], list[list[int]]]) -> Iterator[tuple[tuple[int, ...], int]]:
    """At each position of each window the characters up to it, and the next one."""
    for inputs, targets in zip(*text, strict=True):
        for t, after in enumerate(targets):
            yield tuple(inputs[: t + 1]), after


def example(
    names: Sequence[str] | None = None,
    context: int = CONTEXT,
    embed_dim: int = 32,
    num_heads: int = 4,
    layers: int = 1,
    *,
    seed: int = 0,
) -> Example:
    """Return a GPT for names, and the windows that it learns from.

    Args:
        names: What it is to learn; those of the standard library that :func:`split_names` does not hold out, if left
            out.
        context: How many characters it sees.
        embed_dim: The size of its vectors.
        num_heads: How many heads each block has.
        layers: How many blocks there are.
        seed: What the parameters are drawn from.

    >>> small = example(["heappush", "heappop"], context=4, embed_dim=4, num_heads=1, layers=1)
    >>> inputs, targets = small.data
    >>> small.of_one_sample(inputs[0], targets[0]).data > 0
    True
    """
    taught = split_names(stdlib_names())[0] if names is None else names
    model = GPT(len(ALPHABET), context, embed_dim, num_heads, layers, generator=random.Random(seed))
    return Example(model, next_character_loss, windows(taught, context))

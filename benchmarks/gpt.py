"""A training step of a GPT beside the same GPT in PyTorch, in one run. ``python benchmarks/gpt.py``.

The GPT of ``nn.architectures.gpt``, 32 wide, 4 heads, on windows of 16 characters: loss, all gradients and AdamW's
update for a batch of 32, by ``nn.fit`` on each engine that is installed, and by PyTorch's own modules and optimiser, in
float64, on one thread (JAX: on as many as it takes). All begin with the same weights and see the same batches; the
weights at the end are compared before a ratio is printed. The times are the least of several epochs of 4 steps; the
machine should have nothing else to do. numba compiles for four seconds. ``--width``, ``--heads``
and ``--layers`` make a larger one.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  # reads the variables

BATCH, STEPS = 32, 4
TOLERANCE = 1e-8
#: Of the vectors, and how many heads look at them.
SIZES = {"width": 32, "heads": 4}
ENGINES = {"eager": "eager", "NumPy": "numpy", "numba": "numba", "JAX": "jax"}
SETTINGS = {"lr": 0.01, "betas": (0.9, 0.999), "weight_decay": 0.1}


def data() -> tuple[list[list[int]], list[list[int]]]:
    from tinygrad_lite.nn.architectures import gpt

    inputs, targets = gpt.windows(gpt.split_names(gpt.stdlib_names())[0])
    return inputs[: BATCH * STEPS], targets[: BATCH * STEPS]


def peak_memory() -> int:
    """Return how many bytes this process has held at most."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def model_of(layers: int) -> Any:
    from tinygrad_lite.nn.architectures import GPT

    return GPT(embed_dim=SIZES["width"], num_heads=SIZES["heads"], layers=layers, generator=0)


class Clock:
    """A learning-rate schedule that changes nothing and reads the clock after each epoch."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.times = [time.perf_counter()]

    def step(self) -> None:
        self.times.append(time.perf_counter())

    def state_dict(self) -> dict[str, Any]:
        return {}


def trained(engine: str, layers: int, epochs: int) -> tuple[list[float], Any]:
    """Seconds of each epoch of :func:`~tinygrad_lite.nn.fit`, and the weights at the end as one array."""
    from tinygrad_lite import nn
    from tinygrad_lite.nn.architectures.gpt import next_character_loss

    model = model_of(layers)
    clock, optimizer = Clock(model), nn.AdamW(model.parameters(), **SETTINGS)
    options = {"shuffle": False, "progress": False, "scheduler": clock}
    nn.fit(model, next_character_loss, data(), optimizer, epochs, BATCH, engine=engine, **options)
    return np.diff(clock.times).tolist(), np.array([p.data for p in model.parameters()])


def trained_by_torch(layers: int, epochs: int) -> tuple[list[float], Any]:
    """Return the same by PyTorch's modules and its optimiser."""
    import torch

    torch.set_num_threads(1)
    model = model_of(layers)
    peer = torch_gpt(model)
    names = [name for name in model.state_dict() if name in dict(peer.named_parameters())]
    optimizer = torch.optim.AdamW(peer.parameters(), **SETTINGS)
    inputs, targets = (torch.tensor(part).split(BATCH) for part in data())
    seconds = []
    for _ in range(epochs):
        begun = time.perf_counter()
        for x, y in zip(inputs, targets, strict=True):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(peer(x).flatten(0, 1), y.flatten())
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - begun)
    found = dict(peer.named_parameters())
    return seconds, np.concatenate([found[name].detach().numpy().ravel() for name in names])


def torch_gpt(model: Any) -> Any:
    """Return the same network of PyTorch's modules, with the same weights: the names of their parameters are the
    same."""
    import torch

    width, heads, context = model.tokens.embedding_dim, model.blocks[0].self_attn.num_heads, model.context
    layer = torch.nn.TransformerEncoderLayer
    peer = torch.nn.Module()
    peer.tokens = torch.nn.Embedding(model.tokens.num_embeddings, width)
    peer.positions = torch.nn.Embedding(context, width)
    peer.blocks = torch.nn.ModuleList(
        layer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True) for _ in model.blocks
    )
    peer.norm = torch.nn.LayerNorm(width)
    peer.head = torch.nn.Linear(width, model.tokens.num_embeddings, bias=False)
    mask = torch.ones(context, context, dtype=torch.bool).triu(1)

    def forward(x: Any) -> Any:
        h = peer.tokens(x) + peer.positions.weight
        for block in peer.blocks:
            h = block(h, src_mask=mask, is_causal=True)
        return peer.head(peer.norm(h))

    peer.forward = forward
    peer.double().load_state_dict({name: torch.tensor(np.array(w)) for name, w in model.state_dict().items()})
    return peer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--width", type=int, default=SIZES["width"])
    parser.add_argument("--heads", type=int, default=SIZES["heads"])
    parser.add_argument("--engines", default=",".join(ENGINES.values()))
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    layers, epochs = arguments.layers, arguments.epochs
    SIZES.update(width=arguments.width, heads=arguments.heads)
    engines = {name: engine for name, engine in ENGINES.items() if engine in arguments.engines.split(",")}
    runs: dict[str, Callable[[], tuple[list[float], Any]]] = {
        f"tinygrad_lite, {name}": functools.partial(trained, engine, layers, epochs) for name, engine in engines.items()
    }
    runs["PyTorch"] = functools.partial(trained_by_torch, layers, epochs)
    count = len(model_of(layers).parameters())
    before = peak_memory()
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {platform.machine()}")
    print(f"GPT, layers: {layers}, {count:,} parameters; a training step of {BATCH} windows of 16 characters\n")
    milliseconds: dict[str, float] = {}
    expected, reference = None, ""
    for name, run in runs.items():
        try:
            seconds, weights = run()
        except ImportError as error:
            print(f"  {name:<24} not here: {error}")
            continue
        if expected is None:
            expected, reference = weights, name
        difference = np.abs(weights - expected).max()
        if not difference <= TOLERANCE:
            raise AssertionError(f"{name}: weights {difference:.1e} from those of {reference}")
        milliseconds[name] = 1e3 * min(seconds[1:]) / STEPS  # the first epoch has lifted and compiled
        memory = (peak_memory() - before) / 1e6
        said = f"weights {difference:.0e} from those of {reference} after {epochs * STEPS} steps"
        print(f"  {name:<24} {said}; first epoch {seconds[0]:.1f} s, {memory:.0f} MB", flush=True)
    print()
    for name, ms in milliseconds.items():
        ratio = f"   {ms / milliseconds['PyTorch']:8.2f} x PyTorch" if "PyTorch" in milliseconds else ""
        print(f"  {name:<24}{ms:>10.2f} ms{ratio}")


if __name__ == "__main__":
    main()

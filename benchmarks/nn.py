"""Speed of training, eagerly: an epoch of two networks, as ratios within one run. ``python benchmarks/nn.py``.

An epoch is loss, gradients and a step of gradient descent for each batch; plain floats compute the loss only.
micrograd and PyTorch on scalar tensors (``--torch``) take part where they are installed.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from engine import micrograd_value, milliseconds, relu_method, row
from programs import OperatorMLP, hinge_loss, moons

MOONS = (2, 16, 16, 1)
DIGITS = (64, 32, 10)
BATCH = 32


def descend(parameters: Sequence[Any], lr: float) -> None:
    for p in parameters:
        p.data -= lr * p.grad
        p.grad = 0.0


# ------------------------------------------------------------------------------------------------------- moons


def moons_with_operators(number: Any) -> Callable[[], Any]:
    """Return an epoch of a network written with operators, on micrograd's Value or ours."""
    points, labels = moons()
    model = OperatorMLP(number, relu_method, MOONS)
    parameters = model.parameters()

    def epoch() -> None:
        hinge_loss(model, number, relu_method, points, labels).backward()
        descend(parameters, 0.01)

    return epoch


def moons_with_floats() -> Callable[[], Any]:
    def relu(x: float) -> float:
        return x if x > 0 else 0.0

    points, labels = moons()
    model = OperatorMLP(float, relu, MOONS)
    return lambda: hinge_loss(model, float, relu, points, labels)


def moons_with_torch() -> Callable[[], Any]:
    """Return the same operators on PyTorch's tensors of one number."""
    import torch

    points, labels = moons()
    model = OperatorMLP(lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True), torch.relu, MOONS)
    parameters = model.parameters()

    def epoch() -> None:
        loss = hinge_loss(model, lambda x: torch.tensor(x, dtype=torch.float64), torch.relu, points, labels)
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p -= 0.01 * p.grad
                p.grad = None

    return epoch


def moons_with_nn() -> list[Callable[[], Any]]:
    """With the parts of ``nn`` in a loop, and with ``fit``."""
    from tinygrad_lite.nn.layers.layers import MLP
    from tinygrad_lite.nn.losses.losses import hinge_loss as loss_of

    return loop_and_fit(MLP(MOONS[0], MOONS[1:], seed=0), loss_of, *moons(), batch=100)


# ------------------------------------------------------------------------------------------------------ digits


def digits() -> tuple[list[list[float]], list[int]]:
    """Return the first 1,437 of scikit-learn's 1,797 images, four fifths, with pixels from 0 to 1."""
    from tinygrad_lite.nn.train import data

    inputs, targets = data.digits()
    return (inputs[:1437] / 16).tolist(), targets[:1437].tolist()


def digits_with_floats() -> Callable[[], Any]:
    images, labels = digits()
    model = OperatorMLP(float, lambda x: x if x > 0 else 0.0, DIGITS[:-1])
    last = OperatorMLP(float, float, DIGITS[1:]).layers[0]

    def loss() -> float:
        total = 0.0
        for x, label in zip(images, labels, strict=True):
            hidden = [max(0.0, sum((w * xi for w, xi in zip(ws, x)), b)) for ws, b in model.layers[0]]
            logits = [sum((w * h for w, h in zip(ws, hidden)), b) for ws, b in last]
            greatest = max(logits)
            total += greatest + math.log(sum(math.exp(z - greatest) for z in logits)) - logits[label]
        return total / len(images)

    return loss


def digits_with_nn() -> list[Callable[[], Any]]:
    from tinygrad_lite.nn.layers.layers import MLP
    from tinygrad_lite.nn.losses.class_losses import cross_entropy

    return loop_and_fit(MLP(DIGITS[0], DIGITS[1:], seed=0), cross_entropy, *digits(), batch=BATCH)


#: What begins and ends a call of ``fit`` is shared by its epochs.
EPOCHS = 10


def loop_and_fit(
    model: Any, loss_of: Any, inputs: list[Any], targets: list[Any], batch: int
) -> list[Callable[[], Any]]:
    from tinygrad_lite.nn.optim.optimizers import SGD
    from tinygrad_lite.nn.training import fit

    optimizer = SGD(model.parameters(), lr=0.01)
    bounds = list(itertools.pairwise([*range(0, len(inputs), batch), len(inputs)]))

    def loop() -> None:
        for first, end in EPOCHS * bounds:
            loss = loss_of([model(x) for x in inputs[first:end]], targets[first:end])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return [loop, lambda: fit(model, loss_of, (inputs, targets), optimizer, EPOCHS, batch, progress=False, generator=0)]


# ------------------------------------------------------------------------------------------------------- the parts


def moons_part(rounds: int, with_torch: bool) -> None:
    from tinygrad_lite import Value

    runs = [moons_with_floats(), moons_with_operators(Value), *moons_with_nn()]
    floats, operators, loop, fitted = milliseconds(*runs, rounds=rounds)
    loop, fitted = loop / EPOCHS, fitted / EPOCHS
    print("an epoch of make_moons, MLP 2-16-16-1, 337 parameters, 100 samples in one batch")
    row("plain Python floats, forward only", floats)
    peers = {}
    if micrograd_value():
        (peers["micrograd"],) = milliseconds(moons_with_operators(micrograd_value()), rounds=3)
    if with_torch:
        (peers["PyTorch on scalar tensors"],) = milliseconds(moons_with_torch(), rounds=3)
    ours = {"operators": operators, "nn in a loop": loop, "nn.fit": fitted}
    for name, ms in ours.items():
        faster = [f"{peer_ms / ms:.0f} x faster than {peer}" for peer, peer_ms in peers.items()]
        row(f"tinygrad_lite, {name}", ms, f"{ms / floats:.2f} x plain floats", *faster)
    for name, ms in peers.items():
        row(name, ms, f"{ms / floats:.0f} x plain floats")


def digits_part(rounds: int) -> None:
    floats, loop, fitted = milliseconds(digits_with_floats(), *digits_with_nn(), rounds=rounds)
    loop, fitted = loop / EPOCHS, fitted / EPOCHS
    print("\nan epoch of digits, MLP 64-32-10, 2,410 parameters, 1,437 samples in batches of 32, cross entropy")
    row("plain Python floats, forward only", floats)
    row("tinygrad_lite, nn in a loop", loop, f"{loop / floats:.2f} x plain floats")
    row("tinygrad_lite, nn.fit", fitted, f"{fitted / floats:.2f} x plain floats", f"{fitted / loop:.2f} x the loop")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--torch", action="store_true", help="PyTorch on scalar tensors, too (slow)")
    arguments = parser.parse_args()
    from tinygrad_lite import value

    build = "interpreted" if value.__file__.endswith(".py") else "compiled"
    print(f"Python {sys.version.split()[0]}, {build}; best of {arguments.rounds} rounds\n")
    moons_part(arguments.rounds, arguments.torch)
    digits_part(max(3, arguments.rounds // 5))


if __name__ == "__main__":
    main()

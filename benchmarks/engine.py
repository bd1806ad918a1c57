"""Speed and memory of the eager engine: every figure a ratio within one run. ``python benchmarks/engine.py``.

The interpreted build is measured too, from a copy of the package without its compiled files.
"""

from __future__ import annotations

import argparse
import gc
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from programs import OperatorFunctions, OperatorMLP, PlainValue, ScalarGPT, hinge_loss, moons

SIZES = (2, 16, 16, 1)
WORD = [0, 5, 13, 13, 1, 19, 3, 8, 0]  # the end, seven letters, the end


def milliseconds(*runs: Callable[[], Any], rounds: int) -> list[float]:
    """Return the best time of each run, taken in turns so that a busy machine slows all alike."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for i, run in enumerate(runs):
            start = time.perf_counter()
            result = run()
            del result
            best[i] = min(best[i], time.perf_counter() - start)
    return [1e3 * seconds for seconds in best]


def training_step(model: Any, number: Callable[[float], Any], relu: Callable[[Any], Any]) -> Callable[[], Any]:
    points, labels = moons()
    parameters = model.parameters()

    def step() -> Any:
        loss = hinge_loss(model, number, relu, points, labels)
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        return loss

    return step


def float_forward() -> Callable[[], Any]:
    def relu(x: float) -> float:
        return x if x > 0 else 0.0

    points, labels = moons()
    model = OperatorMLP(float, relu, SIZES)
    return lambda: hinge_loss(model, float, relu, points, labels)


def relu_method(x: Any) -> Any:
    return x.relu()


def operator_step(number: Any) -> Callable[[], Any]:
    return training_step(OperatorMLP(number, relu_method, SIZES), number, relu_method)


def mlp_step() -> Callable[[], Any]:
    from tinygrad_lite import nn

    model = nn.MLP(2, [16, 16, 1], seed=0)
    points, labels = moons()
    parameters = model.parameters()

    def step() -> Any:
        scores = [model(x) for x in points]
        losses = [(1 + -y * score).relu() for y, score in zip(labels, scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses))
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        return loss

    return step


def gpt_step(number: Any, functions: Any) -> Callable[[], Any]:
    model = ScalarGPT(number, functions)
    parameters = model.parameters()

    def step() -> Any:
        loss = model.loss(WORD)
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        return loss

    return step


def our_functions() -> Any:
    import tinygrad_lite as tg

    class Functions:
        dot = staticmethod(tg.dot)
        mean = staticmethod(tg.mean)
        softmax = staticmethod(tg.softmax)

        @staticmethod
        def log_softmax_at(xs: Any, index: int) -> Any:
            return xs[index] - tg.logsumexp(xs)

    return Functions


# ------------------------------------------------------------------------------------------------------- the parts


def row(name: str, ms: float, *ratios: str) -> None:
    print(f"  {name:<46}{ms:>10.2f} ms   {'   '.join(ratios)}")


def moons_part(rounds: int) -> None:
    from tinygrad_lite import Value

    runs = [float_forward(), operator_step(Value), mlp_step()]
    floats, operators, mlp = milliseconds(*runs, rounds=rounds)
    (micrograd,) = milliseconds(operator_step(micrograd_value()), rounds=3) if micrograd_value() else (float("nan"),)
    print("make_moons MLP 2-16-16-1, 337 parameters, 100 samples: loss and all gradients")
    row("plain Python floats, forward only", floats)
    row(
        "tinygrad_lite, operators",
        operators,
        f"{operators / floats:.2f} x plain floats (at most 4)",
        f"{micrograd / operators:.0f} x faster than micrograd (at least 60)",
    )
    row(
        "tinygrad_lite, nn.MLP (dot nodes)",
        mlp,
        f"{mlp / floats:.2f} x plain floats (at most 0.9)",
        f"{micrograd / mlp:.0f} x faster than micrograd (at least 350)",
    )
    row("micrograd", micrograd)
    interpreted = interpreted_milliseconds("operators")
    row(
        "tinygrad_lite interpreted, operators",
        interpreted,
        f"{micrograd / interpreted:.0f} x faster than micrograd (at least 15)",
    )


def micrograd_value() -> Any:
    try:
        from micrograd.engine import Value
    except ImportError:
        return None
    return Value


def gpt_part(rounds: int) -> None:
    from tinygrad_lite import Value

    runs = [
        gpt_step(PlainValue, OperatorFunctions),
        gpt_step(Value, OperatorFunctions),
        gpt_step(Value, our_functions()),
    ]
    plain, operators, functions = milliseconds(*runs, rounds=rounds)
    print("\nscalar GPT, 1 layer, 16 wide, 4 heads, 27 tokens, a word of 7 letters: loss and all gradients")
    row("plain-Python Value, slots and stored partials", plain)
    row("tinygrad_lite, operators", operators, f"{plain / operators:.1f} x faster")
    row("tinygrad_lite, dot, mean, softmax, logsumexp", functions, f"{plain / functions:.1f} x faster (at least 20)")


def chain(n: int) -> float:
    """Seconds to build, differentiate and free a chain of n nodes."""
    from tinygrad_lite import Value

    start = time.perf_counter()
    x = Value(1.0)
    y = x
    for _ in range(n // 2):
        y = y * x + x
    y.backward()
    del y
    return time.perf_counter() - start


def chain_part(largest: int) -> None:
    print("\na chain y = y * x + x: build, backward, free")
    sizes = [n for n in (10**4, 10**5, 10**6, 10**7) if n <= largest]
    chain(largest)  # the machine hands memory out for the first time here, not in a measured run
    nanoseconds = []
    for n in sizes:
        best = min(
            float(
                subprocess.run(
                    [sys.executable, __file__, "--chain", str(n)], capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(3)
        )
        nanoseconds.append(1e9 * best / n)
        print(f"  {n:>10,} nodes{nanoseconds[-1]:>10.0f} ns a node")
    print(f"  growth {nanoseconds[-1] / nanoseconds[0]:.2f} x (at most 2)")
    memory = subprocess.run([sys.executable, __file__, "--memory"], capture_output=True, text=True, check=True).stdout
    print(f"  {float(memory):.0f} bytes a node (at most 100)")


def bytes_a_node(n: int) -> float:
    """Growth of the resident memory of this process while it holds a chain of n nodes."""
    from tinygrad_lite import Value

    gc.collect()
    x = Value(0.5)
    before = memory_in_use()
    y = x
    for _ in range(n):
        y = y + x
    return (memory_in_use() - before) / n


def memory_in_use() -> int:
    """Resident bytes of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def interpreted_milliseconds(what: str) -> float:
    """Return the best time of a step on the interpreted engine: the package's files, copied without the compiled
    ones."""
    import tinygrad_lite

    source = Path(tinygrad_lite.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(source, Path(folder) / "tinygrad_lite", ignore=shutil.ignore_patterns("*.so", "*.pyd"))
        command = [sys.executable, __file__, "--interpreted", what]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": folder})
        return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--largest", type=int, default=10**7, help="nodes of the longest chain (10^7 needs 2 GB)")
    parser.add_argument("--chain", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--interpreted", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.chain:
        print(chain(arguments.chain))
        return
    if arguments.memory:
        print(bytes_a_node(10**6))
        return
    from tinygrad_lite import value

    if arguments.interpreted:
        assert value.__file__.endswith(".py"), value.__file__
        print(milliseconds(operator_step(value.Value), rounds=10)[0])
        return
    build = "interpreted" if value.__file__.endswith(".py") else "compiled"
    print(f"Python {sys.version.split()[0]}, {build}; best of {arguments.rounds} rounds\n")
    moons_part(arguments.rounds)
    gpt_part(max(5, arguments.rounds // 4))
    chain_part(arguments.largest)


if __name__ == "__main__":
    main()

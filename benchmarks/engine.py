"""Speed and memory of the eager engine: every figure a ratio within one run. ``python benchmarks/engine.py``.

The interpreted build is measured too, from a copy of the package without its compiled files.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import resource
import shutil
import subprocess
import sys
import sysconfig
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


def paths_part(rounds: int) -> None:
    """Measure what a user does first, each against what it should cost, in turns."""
    import tinygrad_lite as tg
    from tinygrad_lite import Value, nn

    print("\npaths that people take: each against what it should cost")
    points, labels = moons()
    model, network = OperatorMLP(Value, relu_method, SIZES), nn.MLP(2, [16, 16, 1], seed=0)

    def forward() -> Any:
        return hinge_loss(model, Value, relu_method, points, labels)

    def forward_of_network() -> Any:
        return [network(x) for x in points]

    compare("moons MLP, operators, under no_grad()", tg.no_grad()(forward), "recording it", forward, 0.6, rounds)
    compare("the same, nn.MLP", tg.no_grad()(forward_of_network), "recording it", forward_of_network, 0.6, rounds)

    a, b, c = Value(1.5), Value(2.5), 3.5
    for text, wanted in (("2.0 * a", 1.3), ("a ** 2", 1.5), ("a / b", 1.2), ("a / c", 1.3)):
        compare(
            f"1,000 times {text}", repeated(text, a, b, c), "a * b", repeated("a * b", a, b, c), wanted, 10 * rounds
        )

    def cubic(x: Any) -> Any:
        return x * x * x + x

    def five(xs: Any) -> Any:
        return xs[0] * xs[1] + xs[2] * xs[3] + xs[4]

    gradient, both, numbers = tg.grad(cubic), tg.value_and_grad(five), [1.0, 2.0, 3.0, 4.0, 5.0]

    def by_hand() -> None:
        for _ in range(100):
            x = Value(1.5)
            cubic(x).backward()
            assert x.grad

    def five_by_hand() -> None:
        for _ in range(100):
            xs = [Value(x) for x in numbers]
            y = five(xs)
            y.backward()
            assert y.data
            assert [x.grad for x in xs]

    def by_transform() -> None:
        for _ in range(100):
            gradient(1.5)

    def five_by_transform() -> None:
        for _ in range(100):
            both(numbers)

    compare("100 times grad(f)(x)", by_transform, "by hand", by_hand, 2.0, 5 * rounds)
    compare("100 times value_and_grad(f) of five", five_by_transform, "by hand", five_by_hand, 2.0, 5 * rounds)

    def record() -> Any:
        y = a
        for _ in range(1000):
            y = (y * b + a) / (b - 0.5)
        y.backward()
        return y

    kept = record().forward()

    def replay() -> None:
        a.data = 1.5
        kept.forward()
        kept.backward()

    compare("forward() and backward() of 4,000 nodes", replay, "recording again", record, 0.4, rounds)
    by_c = node_in_c()
    if by_c is None:
        print("  no C compiler here: no node type in C to compare with")
        return
    compare(
        "chain of 10,000 nodes: record, backward, free", mixed_chain(Value), "a C type", mixed_chain(by_c), 3.0, rounds
    )


def mixed_chain(kind: Any) -> Callable[[], tuple[float, ...]]:
    """Return what makes a chain of mixed operations, differentiates it, and lets it go."""

    def run() -> tuple[float, ...]:
        a, b, c = kind(1.1), kind(0.3), kind(1.3)
        y = a
        for _ in range(2500):
            y = (y * a + b) / c - a
        y.backward()
        return y.data, a.grad, b.grad, c.grad

    return run


def node_in_c() -> Any:
    """Compile the node type of ``node.c``; None where there is no compiler.

    It is held to the same numbers as ours, to rounding.
    """
    from tinygrad_lite import Value

    source = Path(__file__).with_name("node.c")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"node{sysconfig.get_config_var('EXT_SUFFIX')}"
        include = sysconfig.get_path("include")
        command = ["cc", "-O3", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(path)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        spec = importlib.util.spec_from_file_location("node", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    for ours, theirs in zip(mixed_chain(Value)(), mixed_chain(module.Node)()):
        assert abs(ours - theirs) <= 1e-12 * abs(ours), (ours, theirs)
    return module.Node


def compare(
    name: str, run: Callable[[], Any], other: str, reference: Callable[[], Any], wanted: float, rounds: int
) -> None:
    ms, base = milliseconds(run, reference, rounds=rounds)
    row(name, ms, f"{ms / base:.2f} x {other} (at most {wanted})")


def repeated(expression: str, a: Any, b: Any, c: float) -> Callable[[], None]:
    """Return a function that evaluates an expression a thousand times, and little else."""
    names: dict[str, Any] = {"a": a, "b": b, "c": c}
    line = "; ".join([f"y = {expression}"] * 10)
    exec(f"def run():\n    for _ in range(100):\n        {line}", names)
    run: Callable[[], None] = names["run"]
    return run


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
    paths_part(arguments.rounds)
    chain_part(arguments.largest)


if __name__ == "__main__":
    main()

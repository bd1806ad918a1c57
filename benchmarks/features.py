"""What each library does with the same small tasks: the feature table of the README, from runs alone.

    python benchmarks/features.py [row ...]

A cell is one run in a process of its own, which may fail, crash or take longer than a minute: then it says so. A dash
is a task that does not arise there. Nothing in the table is taken from documentation.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

LIBRARIES = {
    "tinygrad_lite": "tinygrad-lite",
    "micrograd": "micrograd",
    "HIPS autograd": "autograd",
    "PyTorch": "torch",
    "JAX": "jax",
    "CasADi": "casadi",
}
LIMIT = 60
YES, NO, NONE = "yes", "no", "–"
Probe = Callable[[], str]
Function = Callable[[Any], Any]

# -------------------------------------------------------------------- how each library differentiates one function


def tg() -> Any:
    return importlib.import_module("tinygrad_lite")


def micrograd_value(x: float) -> Any:
    return importlib.import_module("micrograd.engine").Value(x)


def torch() -> Any:
    return importlib.import_module("torch")


def torch_number(x: float) -> Any:
    return torch().tensor(x, dtype=torch().float64, requires_grad=True)


def jax() -> Any:
    module = importlib.import_module("jax")
    module.config.update("jax_enable_x64", True)
    return module


def hips() -> Any:
    return importlib.import_module("autograd")


def micrograd_grad(f: Function) -> Function:
    def derivative(x: float) -> float:
        leaf = micrograd_value(x)
        f(leaf).backward()
        return float(leaf.grad)

    return derivative


def torch_grad(f: Function) -> Function:
    def derivative(x: Any) -> Any:
        leaf = x if torch().is_tensor(x) else torch_number(x)
        return torch().autograd.grad(f(leaf), leaf, create_graph=True)[0]

    return derivative


def casadi_grad(f: Function) -> Function:
    """Of SX: expressions of scalars."""

    def derivative(x: float) -> float:
        casadi = importlib.import_module("casadi")
        symbol = casadi.SX.sym("x")
        return float(casadi.Function("f", [symbol], [casadi.gradient(f(symbol), symbol)])(x))

    return derivative


GRAD: dict[str, Callable[[], Callable[[Function], Function]]] = {
    "tinygrad_lite": lambda: tg().grad,
    "micrograd": lambda: micrograd_grad,
    "HIPS autograd": lambda: hips().grad,
    "PyTorch": lambda: torch_grad,
    "JAX": lambda: jax().grad,
    "CasADi": lambda: casadi_grad,
}
TANH: dict[str, Callable[[], Function]] = {
    "tinygrad_lite": lambda: tg().tanh,
    "micrograd": lambda: lambda x: x.tanh(),
    "HIPS autograd": lambda: importlib.import_module("autograd.numpy").tanh,
    "PyTorch": lambda: torch().tanh,
    "JAX": lambda: jax().numpy.tanh,
    "CasADi": lambda: importlib.import_module("casadi").tanh,
}

# --------------------------------------------------------------------------------------------- rows for all of them


def third_derivative(library: str) -> str:
    """Return the third derivative of x⁴ at 2, which is 48."""
    if library == "CasADi":  # of expressions, not of functions
        casadi = importlib.import_module("casadi")
        x = casadi.SX.sym("x")
        y = x**4
        for _ in range(3):
            y = casadi.gradient(y, x)
        found = float(casadi.Function("f", [x], [y])(2.0))
    else:
        grad = GRAD[library]()
        found = float(grad(grad(grad(lambda x: x**4)))(2.0))
    return YES if found == 48.0 else f"{found}"


def deep_chain(library: str) -> str:
    """x → 1.0000001 x + 0.1, 100,000 times: 200,000 operations, built and differentiated."""

    def chain(x: Any) -> Any:
        for _ in range(100_000):
            x = x * 1.0000001 + 0.1
        return x

    begun = time.perf_counter()
    found = float(GRAD[library]()(chain)(1.0))
    seconds = time.perf_counter() - begun
    if not math.isclose(found, 1.0000001**100_000, rel_tol=1e-6):
        return f"wrong: {found}"
    return f"{seconds:.2g} s"


def tanh_far_out(library: str) -> str:
    """Return the derivative of tanh at 20, relative to sech²(20)."""
    found = float(GRAD[library]()(TANH[library]())(20.0))
    truth = 1 / math.cosh(20.0) ** 2
    return "0 digits" if found == 0.0 else f"{min(16, round(-math.log10(abs(found / truth - 1) + 1e-16)))} digits"


def importing(library: str) -> str:
    """Seconds, in a process that has imported nothing."""
    module = {"tinygrad_lite": "tinygrad_lite", "HIPS autograd": "autograd", "micrograd": "micrograd.engine"}
    begun = time.perf_counter()
    importlib.import_module(module.get(library, LIBRARIES[library]))
    return f"{time.perf_counter() - begun:.2f} s"


# ------------------------------------------------------------------------ rows of tasks that differ by library


def twice(x: Any) -> str:
    y = x * x * x
    y.backward()
    y.backward()
    return YES if x.grad == 24.0 else f"{x.grad:g}, not 24"


def twice_torch() -> str:
    x = torch_number(2.0)
    y = x * x * x
    y.backward(retain_graph=True)
    y.backward()
    return YES if float(x.grad) == 24.0 else f"{float(x.grad):g}, not 24"


def changed_tinygrad_lite() -> str:
    x = tg().Value(2.0)
    y = x * x
    x.data = 3.0
    try:
        y.backward()
    except RuntimeError:
        return YES
    return f"no: {x.grad:g}"


def changed_micrograd() -> str:
    x = micrograd_value(2.0)
    y = x * x
    x.data = 3.0
    y.backward()
    return f"no: {x.grad:g} at {y.data:g}"


def changed_torch() -> str:
    x = torch_number(2.0)
    y = x * x
    with torch().no_grad():
        x.mul_(1.5)
    try:
        y.backward()
    except RuntimeError:
        return YES
    return f"no: {x.grad:g}"


def planted_tinygrad_lite() -> str:
    from tinygrad_lite.testing import DerivativeError, check_gradients

    wrong = tg().define("wrong", math.sin, lambda m, x, z: 1.001 * m.cos(x), definition=lambda m, x: m.sin(x))
    try:
        check_gradients(wrong, 0.7)
    except DerivativeError:
        return YES
    return NO


def planted_hips() -> str:
    primitive = importlib.import_module("autograd.extend")
    np = importlib.import_module("autograd.numpy")
    wrong = primitive.primitive(np.sin)
    primitive.defvjp(wrong, lambda ans, x: lambda g: 1.001 * g * np.cos(x))
    try:
        importlib.import_module("autograd.test_util").check_grads(wrong, modes=["rev"], order=1)(0.7)
    except AssertionError:
        return YES
    return NO


def planted_torch() -> str:
    library = torch()

    class Wrong(library.autograd.Function):  # type: ignore[misc, name-defined]  # PyTorch's class is only here
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 1.001 * g * ctx.saved_tensors[0].cos()

    return NO if library.autograd.gradcheck(Wrong.apply, torch_number(0.7), raise_exception=False) else YES


def planted_jax() -> str:
    library = jax()
    wrong = library.custom_vjp(library.numpy.sin)
    wrong.defvjp(lambda x: (library.numpy.sin(x), x), lambda x, g: (1.001 * g * library.numpy.cos(x),))
    try:
        importlib.import_module("jax.test_util").check_grads(wrong, (0.7,), order=1, modes=["rev"])
    except AssertionError:
        return YES
    return NO


def nan_tinygrad_lite() -> str:
    try:
        with tg().detect_anomaly():
            tg().sqrt(tg().Value(0.0)).backward()
    except tg().AnomalyError as error:
        return YES if "sqrt" in str(error) else NO
    return NO


def nan_torch() -> str:
    x = torch_number(0.0)
    try:
        with warnings.catch_warnings(), torch().autograd.detect_anomaly():
            warnings.simplefilter("ignore")
            (x.sqrt() * 0).backward()
    except RuntimeError as error:
        return YES if "Sqrt" in str(error) else NO
    return NO


def nan_jax() -> str:
    jax().config.update("jax_debug_nans", True)
    try:
        jax().grad(lambda x: jax().numpy.sqrt(x) * 0)(0.0)
    except FloatingPointError:
        return YES
    return NO


def branch_tinygrad_lite() -> str:
    from tinygrad_lite.errors import LiftError

    try:
        tg().lift(lambda x: x if x > 0 else 2 * x)(1.0)
    except LiftError:
        return YES
    return NO


def branch_torch() -> str:
    def f(x: Any) -> Any:
        return x if x > 0 else 2 * x

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        traced = torch().jit.trace(f, torch().tensor(1.0))
    if float(traced(torch().tensor(-1.0))) == -2.0:
        return YES
    return "jit.trace: a warning" if any("Tracer" in w.category.__name__ for w in seen) else NO


def branch_jax() -> str:
    try:
        jax().jit(lambda x: x if x > 0 else 2 * x)(1.0)
    except jax().errors.TracerBoolConversionError:
        return YES
    return NO


def branch_casadi() -> str:
    x = importlib.import_module("casadi").SX.sym("x")
    try:
        _ = x if x > 0 else 2 * x
    except Exception:
        return YES
    return NO


def tensors(library: str) -> str:
    """Return the gradient of a sum of squares of an array that is one value, not many."""
    import numpy as np

    point = np.array([1.0, 2.0])
    if library == "tinygrad_lite":
        try:
            tg().Value(point)
        except (TypeError, ValueError):
            return NO
        return YES
    if library == "micrograd":
        leaf = micrograd_value(point)  # type: ignore[arg-type]  # to see what becomes of it
        (leaf * leaf).backward()
        return YES if np.array_equal(leaf.grad, 2 * point) else NO
    if library == "CasADi":
        casadi = importlib.import_module("casadi")
        x = casadi.MX.sym("x", 2)
        found = casadi.Function("f", [x], [casadi.gradient(casadi.sumsqr(x), x)])(point).full().ravel()
    elif library == "PyTorch":
        t = torch().tensor(point, requires_grad=True)
        (t * t).sum().backward()
        found = t.grad.numpy()
    else:
        found = np.asarray(GRAD[library]()(lambda x: (x * x).sum())(point))
    return YES if np.array_equal(found, 2 * point) else NO


def complex_numbers(library: str) -> str:
    """Return the gradient of |z|² at 1 + 2i, which the libraries write as 2z or its conjugate."""
    z = 1.0 + 2.0j
    if library == "tinygrad_lite":
        try:
            tg().Value(z)
        except TypeError:
            return NO
        return YES
    if library == "CasADi":
        try:
            importlib.import_module("casadi").SX(z)
        except (TypeError, NotImplementedError):
            return NO
        return YES
    if library == "micrograd":
        leaf = micrograd_value(z)  # type: ignore[arg-type]  # to see what becomes of it
        try:
            (leaf * leaf).relu()
        except TypeError:
            return NO
        return YES
    if library == "PyTorch":
        t = torch().tensor(z, dtype=torch().complex128, requires_grad=True)
        (t.abs() ** 2).backward()
        found = complex(t.grad)
    elif library == "JAX":
        found = complex(jax().grad(lambda v: jax().numpy.abs(v) ** 2)(z))
    else:
        np = importlib.import_module("autograd.numpy")
        found = complex(hips().grad(lambda v: np.abs(v) ** 2)(z))
    return YES if found in (2 * z, 2 * z.conjugate()) else f"{found}"


def for_each(probe: Callable[[str], str]) -> dict[str, Probe]:
    return {library: lambda library=library: probe(library) for library in LIBRARIES}  # type: ignore[misc]  # a default binds the name


def functional(**probes: Probe) -> dict[str, Probe]:
    """Rows about ``backward()``, which does not arise where gradients are what a function returns."""
    named = {"tinygrad_lite": probes["tinygrad_lite"], "micrograd": probes["micrograd"], "PyTorch": probes["torch"]}
    return {library: named.get(library, lambda: NONE) for library in LIBRARIES}


#: Text of each row, and what is run for each library; a library that is not there has nothing of the kind to run.
ROWS: dict[str, tuple[str, dict[str, Probe]]] = {
    "third": ("derivatives of derivatives, to the third", for_each(third_derivative)),
    "chain": ("200,000 scalar operations in a chain, and their gradient", for_each(deep_chain)),
    "tanh": ("right digits of tanh′(20)", for_each(tanh_far_out)),
    "twice": (
        "`backward()` twice gives twice the gradient",
        functional(
            tinygrad_lite=lambda: twice(tg().Value(2.0)),
            micrograd=lambda: twice(micrograd_value(2.0)),
            torch=twice_torch,
        ),
    ),
    "changed": (
        "refuses `backward()` after a leaf was changed",
        functional(tinygrad_lite=changed_tinygrad_lite, micrograd=changed_micrograd, torch=changed_torch),
    ),
    "planted": (
        "finds a rule that is 0.1 % wrong",
        {
            "tinygrad_lite": planted_tinygrad_lite,
            "HIPS autograd": planted_hips,
            "PyTorch": planted_torch,
            "JAX": planted_jax,
        },
    ),
    "nan": (
        "stops at the operation that made a gradient infinite or NaN",
        {"tinygrad_lite": nan_tinygrad_lite, "PyTorch": nan_torch, "JAX": nan_jax},
    ),
    "branch": (
        "a traced program refuses `if x > 0`, or keeps both branches",
        {"tinygrad_lite": branch_tinygrad_lite, "PyTorch": branch_torch, "JAX": branch_jax, "CasADi": branch_casadi},
    ),
    "tensors": ("values are arrays", for_each(tensors)),
    "complex": ("complex numbers", for_each(complex_numbers)),
    "import": ("import", for_each(importing)),
}


def cell(row: str, library: str) -> str:
    """Return what one process found."""
    if library not in ROWS[row][1]:
        return NONE
    command = [sys.executable, "-W", "ignore", __file__, "--probe", row, library]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"more than {LIMIT} s"
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1]
    if done.returncode < 0:
        return "crashes"
    return done.stderr.strip().splitlines()[-1].split(":")[0].rpartition(".")[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="row", help=f"some of {', '.join(ROWS)} (all)")
    parser.add_argument("--probe", nargs=2, metavar=("row", "library"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        row, library = options.probe
        print(ROWS[row][1][library]())
        return
    try:
        versions = [f"{name} {importlib.metadata.version(LIBRARIES[name])}" for name in LIBRARIES]
    except importlib.metadata.PackageNotFoundError as error:
        parser.exit(1, f"{error.name} is not installed: make features installs it\n")
    print(", ".join(versions), "\n")
    print("| |", " | ".join(LIBRARIES), "|")
    print("|---" * (len(LIBRARIES) + 1) + "|")
    for row in options.rows or ROWS:
        print(f"| {ROWS[row][0]} |", " | ".join(cell(row, library) for library in LIBRARIES), "|", flush=True)


if __name__ == "__main__":
    main()

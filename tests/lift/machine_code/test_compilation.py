"""Machine code is called with arrays as they are, runs beside other threads, and is freed with its function."""

from __future__ import annotations

import ast
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from dense_program import dense_program

from tinygrad_lite.lift.engines import numba_engine
from tinygrad_lite.lift.machine_code import compilation
from tinygrad_lite.lift.machine_code.lowering import FLOAT_ARRAY, INT, Dialect, Module

pytest.importorskip("llvmlite", reason="machine code needs numba's compiler: the extra fast")

TEXT = """def add(o_, n):
 o = pointer(o_, 0)
 for k in range(n): o[k] += 1.0
 return o_.size"""


@pytest.fixture(scope="module")
def code():
    module = Module({}, {})
    module.add(ast.parse(TEXT).body[0], {"o_": FLOAT_ARRAY, "n": INT}, INT, Dialect())
    return compilation.compile_object(module.text() + compilation.write_entry("add", [FLOAT_ARRAY, INT]))


def test_an_llvm_that_is_too_old_is_refused(monkeypatch):
    llvm = compilation.load_llvm()
    monkeypatch.setattr(llvm, "llvm_version_info", (15, 0, 7))
    with pytest.raises(ImportError, match=r"too old: pip install --upgrade 'tinygrad-lite\[fast\]'"):
        compilation.load_llvm.__wrapped__()


def test_arrays_of_any_rank_are_taken_as_they_are(code):
    run = compilation.load_function(code)
    for shape in ((), (3,), (2, 5), (0, 4), (2, 1, 3)):
        numbers = np.zeros(shape)
        assert run(numbers, numbers.size) == numbers.size
        assert (numbers == 1.0).all()


def test_the_same_code_is_loaded_more_than_once_and_by_threads(code):
    def work(seed):
        run, numbers = compilation.load_function(code), np.full(100, float(seed))
        return run(numbers, 100) == 100 and (numbers == seed + 1.0).all()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))


def test_code_is_freed_with_its_function(code):
    run = compilation.load_function(code)
    owner = weakref.ref(run.__self__)
    engine = run.__self__.engine
    assert not engine.closed
    del run
    assert owner() is None
    del engine  # which nothing else holds
    before = executable_mappings()
    for _ in range(20):
        assert compilation.load_function(code)(np.zeros(1), 1) == 1
    assert executable_mappings() <= before + 2


def executable_mappings() -> int:
    """How many stretches of memory without a file may be executed."""
    path = Path("/proc/self/maps")
    if not path.exists():
        pytest.skip("the system does not tell")
    lines = [line.split() for line in path.read_text().splitlines()]
    return sum(1 for line in lines if "x" in line[1] and len(line) == 5)


def test_a_program_that_is_dropped_frees_its_code(monkeypatch):
    owners = []

    def load(code):
        function = compilation.load_function(code)
        owners.append(weakref.ref(function.__self__))
        return function

    monkeypatch.setattr(numba_engine, "load_function", load)
    run = numba_engine.build(dense_program())
    gc.collect()
    assert owners[0]() is not None
    del run
    gc.collect()
    assert owners[0]() is None

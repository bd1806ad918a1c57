"""LLVM's language → object code for this processor, and object code → a function that Python calls.

Why object code always: what was compiled now and what comes from a file (:mod:`.code_cache`) are loaded the same way.
The function that Python calls takes arrays as they are, and lets other threads run while it computes. The code is freed
with it: it belongs to an object that the function holds, and to nothing else. (What LLVM's optimiser itself keeps of
each run, about a quarter of a megabyte, llvmlite gives no way to free; code that comes from a file costs none of it.)
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, Final

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.machine_code.lowering import FLOAT_ARRAY, INT, INT_ARRAY

#: The function that Python calls.
ENTRY: Final = "entry"
#: Of Python's own functions those that it calls.
_PYTHON: Final = ("PyLong_AsSsize_t", "PyLong_FromSsize_t", "PyEval_SaveThread", "PyEval_RestoreThread")
#: Of LLVM, the first version that reads what is written here (llvmlite 0.45).
_OLDEST: Final = 20
#: METH_FASTCALL: the arguments are an array of objects.
_FASTCALL: Final = 0x0080

#: An array of NumPy, whose first fields are the same in all of its versions: an object's head, data, axes, sizes.
_ARRAYS: Final = """
%array = type {{ [{head} x i8], ptr, i32, ptr }}
define internal ptr @array.data(ptr %array) nounwind alwaysinline {{
  %place = getelementptr inbounds %array, ptr %array, i32 0, i32 1
  %data = load ptr, ptr %place
  ret ptr %data
}}
define internal i64 @array.size(ptr %array) nounwind {{
entry:
  %axes.place = getelementptr inbounds %array, ptr %array, i32 0, i32 2
  %axes = load i32, ptr %axes.place
  %sizes.place = getelementptr inbounds %array, ptr %array, i32 0, i32 3
  %sizes = load ptr, ptr %sizes.place
  br label %test
test:
  %axis = phi i32 [ 0, %entry ], [ %next, %body ]
  %size = phi i64 [ 1, %entry ], [ %more, %body ]
  %goes = icmp slt i32 %axis, %axes
  br i1 %goes, label %body, label %end
body:
  %place = getelementptr inbounds i64, ptr %sizes, i32 %axis
  %along = load i64, ptr %place
  %more = mul i64 %size, %along
  %next = add i32 %axis, 1
  br label %test
end:
  ret i64 %size
}}
declare i64 @PyLong_AsSsize_t(ptr)
declare ptr @PyLong_FromSsize_t(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
"""


def write_entry(kernel: str, kinds: Sequence[int]) -> str:
    """Write the function that Python calls: it takes ints and arrays, and returns the int that the kernel does.

    Args:
        kernel: The name of what it calls, without the interpreter's lock.
        kinds: Those of the kernel's parameters.
    """
    lines, given = list[str](), list[str]()
    for number, kind in enumerate(kinds):
        lines += [f"%place{number} = getelementptr inbounds ptr, ptr %arguments, i64 {number}"]
        lines += [f"%object{number} = load ptr, ptr %place{number}"]
        if kind == INT:
            lines += [f"%int{number} = call i64 @PyLong_AsSsize_t(ptr %object{number})"]
        assert kind in (INT, FLOAT_ARRAY, INT_ARRAY)
        given += [f"i64 %int{number}" if kind == INT else f"ptr %object{number}"]
    lines += ["%thread = call ptr @PyEval_SaveThread()"]
    lines += [f"%found = call i64 @{kernel}({', '.join(given)})"]
    lines += ["call void @PyEval_RestoreThread(ptr %thread)"]
    lines += ["%result = call ptr @PyLong_FromSsize_t(i64 %found)", "ret ptr %result"]
    head = f"define ptr @{ENTRY}(ptr %self, ptr %arguments, i64 %count) nounwind {{"
    return "\n".join([_ARRAYS.format(head=object.__basicsize__), head, *[f"  {line}" for line in lines], "}"])


@functools.cache
def load_llvm() -> Any:
    """Import LLVM, made ready for this processor, and tell it where Python's functions are and those of C's ``math``.

    Python's own module ``math`` leads to the library of the latter; there need be no other way to it.

    Raises:
        ImportError: LLVM is not installed, or too old.
    """
    llvm = importlib.import_module("llvmlite.binding")
    if llvm.llvm_version_info[0] < _OLDEST:
        found = importlib.import_module("llvmlite").__version__
        raise ImportError(f"llvmlite {found} is too old: pip install --upgrade 'tinygrad-lite[fast]'")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    mathematics = ctypes.CDLL("ucrtbase" if os.name == "nt" else getattr(math, "__file__", None))
    for library, names in ((ctypes.pythonapi, _PYTHON), (mathematics, dir(math))):
        for name in names:
            if hasattr(library, name) and llvm.address_of_symbol(name) is None:
                llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
    return llvm


@functools.cache
def describe_target() -> tuple[str, ...]:
    """Say what object code is made by, and for which processor: it runs on no other."""
    llvm = load_llvm()
    version = importlib.import_module("llvmlite").__version__
    return (
        version,
        ".".join(map(str, llvm.llvm_version_info)),
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        str(object.__basicsize__),
    )


def _make_machine() -> Any:
    """Make LLVM's description of this processor, for code that may stand anywhere in memory."""
    *_, triple, processor, features, _ = describe_target()
    reloc = "static" if triple.startswith("x86") else "default"
    target = load_llvm().Target.from_triple(triple)
    return target.create_target_machine(processor, features, opt=3, reloc=reloc, codemodel="jitdefault", jit=True)


def compile_object(text: str) -> bytes:
    """Compile a module of LLVM's language, optimised, into object code.

    Raises:
        LiftError: It calls a function that there is not.
    """
    llvm = load_llvm()
    machine = _make_machine()
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    for function in module.functions:
        external = function.is_declaration and not function.name.startswith("llvm.")
        if external and llvm.address_of_symbol(function.name) is None:
            raise LiftError(f"no machine code: there is no function {function.name!r} in the C library")
    tuning = llvm.create_pipeline_tuning_options(3)
    tuning.loop_vectorization, tuning.slp_vectorization = True, False
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code


class _Method(ctypes.Structure):
    """``PyMethodDef``: what Python knows of a function in C."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Code:
    """Owns machine code, which is freed with it."""

    def __init__(self, code: bytes) -> None:
        llvm = load_llvm()
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _make_machine())
        self.engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
        self.engine.finalize_object()
        self.method = _Method(b"kernel", self.engine.get_function_address(ENTRY), _FASTCALL, None)


def load_function(code: bytes) -> Callable[..., int]:
    """Make a function of object code; it is freed with the function.

    Args:
        code: From :func:`compile_object`, of a text with :func:`write_entry`'s.
    """
    owner = _Code(code)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    function: Callable[..., int] = make(ctypes.addressof(owner.method), owner, None)
    return function

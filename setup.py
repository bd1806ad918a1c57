"""Compiles the engine with mypyc where that works; metadata is in setup.cfg.

Without a C compiler, without mypyc, or with TINYGRAD_LITE_PURE=1, the same files are installed as they are and run
interpreted: slower, and equal in every result. ``tinygrad-lite doctor`` tells which of the two is installed.
"""

import ast
import os
import re
import sys

from setuptools import setup
from setuptools.command.build_ext import build_ext

COMPILED = [
    f"tinygrad_lite/{name}.py"
    for name in (
        "adjoints",
        "dispatch",
        "flat_graph",
        "functions",
        "jacobians/accumulation",
        "limits/limits",
        "limits/series",
        "nary",
        "node/codes",
        "node/dot",
        "node/evaluation",
        "node/fields",
        "node/freshness",
        "node/methods",
        "node/operators",
        "node/reading",
        "node/state",
        "operations/arithmetic",
        "operations/numerics",
        "operations/operation",
        "operations/ops",
        "value",
    )
]


#: Commands that only describe the package: the mypyc of each would take as long as that of the build.
DESCRIBING = {"dist_info", "egg_info", "sdist"}


class OptionalBuild(build_ext):
    """Goes on without the compiled engine when it cannot be built, and says so."""

    def run(self):
        try:
            super().run()
        except Exception as error:  # whatever a missing or broken compiler raises
            self.go_on(error)

    def build_extensions(self):
        try:
            super().build_extensions()
        except Exception as error:
            self.go_on(error)

    def go_on(self, error):
        if os.environ.get("TINYGRAD_LITE_COMPILED") == "1":
            raise error
        print(f"tinygrad_lite: the engine was not compiled ({error}); it will run interpreted.", file=sys.stderr)
        for extension in self.extensions:  # some may be there already, and all need each other
            for path in (self.get_ext_fullpath(extension.name), self.get_ext_filename(extension.name)):
                if os.path.exists(path):
                    os.remove(path)
        self.extensions = []


def extensions():
    """The compiled engine; none if it was not asked for or mypyc is not there."""
    if os.environ.get("TINYGRAD_LITE_PURE") == "1" or sys.implementation.name != "cpython":
        return []
    if DESCRIBING & set(sys.argv):
        return []
    try:
        from mypyc.build import mypycify

        # -O3; no debug information; one shared library, so that calls between the files are direct. Libraries are not
        # looked at: `make` installs them at the same time, and half of NumPy is an error of types.
        modules = mypycify(["--no-site-packages", *COMPILED], opt_level="3", debug_level="0")
    except (Exception, SystemExit) as error:
        if os.environ.get("TINYGRAD_LITE_COMPILED") == "1":
            raise
        print(f"tinygrad_lite: mypyc is not usable ({error}); the engine will run interpreted.", file=sys.stderr)
        return []
    keep_docstrings(modules)
    header = os.path.join("tinygrad_lite", "trashcan.h")
    flag = ["/FI" + os.path.abspath(header)]
    if sys.platform != "win32":  # hidden, functions that files call of one another need no table, and can be inlined
        flag = ["-include", os.path.abspath(header), "-fvisibility=hidden"]
    for module in modules:
        module.extra_compile_args = [*module.extra_compile_args, *flag]
        module.depends = [*module.depends, header]
    return modules


def keep_docstrings(modules):
    """Writes the docstrings into the C source, so that help() has them: mypyc writes signatures alone."""
    texts = {}
    for path in COMPILED:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        module = os.path.splitext(os.path.basename(path))[0]
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                texts[node.name] = ast.get_docstring(node)
            for function in node.body if isinstance(node, ast.ClassDef) else [node]:
                if isinstance(function, ast.FunctionDef):
                    name = f"{node.name}___{function.name}" if isinstance(node, ast.ClassDef) else function.name
                    texts[f"{module}___{name}"] = ast.get_docstring(function)

    def with_text(found):
        text = texts.get(found["function"] or found["type"])
        return found[0] if text is None else found["head"] + in_c(text) + '")'

    # {"tanh", (PyCFunction)CPyPy_functions___tanh, ..., PyDoc_STR("tanh(x)\n--\n\n")}, and .tp_doc of classes
    entry = re.compile(
        r"(?P<head>(?:\(PyCFunction\)CPyPy_(?P<function>\w+),[\s\w|]+, |\.tp_doc = )"
        r'PyDoc_STR\("(?P<type>\w+)\((?:[^"\\]|\\.)*\\n--\\n\\n)"\)'
    )
    for source in {source for module in modules for source in module.sources if "__native" in source}:
        with open(source, encoding="utf-8") as file:
            code = file.read()
        with open(source, "w", encoding="utf-8") as file:
            file.write(entry.sub(with_text, code))


def in_c(text):
    """A text as it stands between the quotes of a C string."""
    letters = {ord("\n"): "\\n", ord('"'): '\\"', ord("\\"): "\\\\"}
    return "".join(letters.get(b) or (chr(b) if 32 <= b < 127 and b != 63 else f"\\{b:03o}") for b in text.encode())


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuild})

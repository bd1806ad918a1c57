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
        "node/sameness",
        "node/state",
        "operations/arithmetic",
        "operations/numerics",
        "operations/operation",
        "operations/ops",
        "short_calls",
        "tape/walking",
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
    sources = {source for module in modules for source in module.sources if "__native" in source}
    keep_docstrings(sources)
    write_in_c(sources)
    write_walk(sources)
    write_sameness(sources)
    header = os.path.join("tinygrad_lite", "engine.h")
    flag = ["/FI" + os.path.abspath(header)]
    if sys.platform != "win32":  # hidden, functions that files call of one another need no table, and can be inlined
        flag = ["-include", os.path.abspath(header), "-fvisibility=hidden"]
        flag.append("-ffp-contract=off")  # a product and a sum are rounded one by one, as Python's are
    for module in modules:
        module.extra_compile_args = [*module.extra_compile_args, *flag]
        module.depends = [*module.depends, header, *WALK, SAMENESS]
    return modules


def keep_docstrings(sources):
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
    rewrite(sources, lambda code: entry.sub(with_text, code))


#: The fields of a node in C, as mypyc lays them out, and those of a Value; without the end of its declaration there may
#: be others.
NODE_FIELDS = """\
    PyObject_HEAD
    CPyVTableItem *vtable;
    double __number;
    double __grad;
    int64_t __stamp;
    int32_t __pending;
    int16_t __code;
    PyObject *__details;
"""
FIELDS = f"""\
{NODE_FIELDS}\
    PyObject *__left;
    PyObject *__right;
}} tinygrad_lite___value___ValueObject;
"""
MAKE_NODE = """\
    tinygrad_lite___value___ValueObject *node = (tinygrad_lite___value___ValueObject *)take_node(
        (PyTypeObject *)CPyType_value___Value, sizeof(tinygrad_lite___value___ValueObject));
    if (unlikely(node == NULL))
        return NULL;
    node->vtable = value___Value_vtable;
    node->__number = {number};
    node->__grad = 0.0;
    node->__stamp = ((tinygrad_lite___node___state___StateObject *)CPyStatic_state___STATE)->_clock;
    node->__pending = 0;
    node->__code = {code};
    node->__details = Py_NewRef({details});
    node->__left = Py_NewRef({left});
    node->__right = Py_NewRef({right});
    return (PyObject *)node;
}}
"""
MODE_HERE = """\
    PyObject *mode;
    tinygrad_lite___node___state___StateObject *state;
    state = (tinygrad_lite___node___state___StateObject *)CPyStatic_state___STATE;
    if (PyContextVar_Get(state->_mode, NULL, &mode) < 0)
        return -113;
    static PyObject *no_grad = NULL; /* the one object that small numbers of a value are */
    if (no_grad == NULL)
        no_grad = PyLong_FromLong(1);
    int64_t number = mode == no_grad ? 1 : PyLong_AsLong(mode);
    Py_DECREF(mode);
    return number;
}
"""


def write_in_c(sources):
    """Writes what each operation does in C: ``value.make_node``, ``value.mode_here``, and how a node is freed.

    By way of ``Value.__init__`` a node takes three times as long. Where mypyc lays a Value out in another way than is
    known here, all stays as it made it.
    """
    headers = {source.removesuffix(".c") + ".h" for source in sources}
    if not any(FIELDS in read(path) for path in headers | sources if os.path.exists(path)):
        print("tinygrad_lite: mypyc lays nodes out in a new way; making one will take longer.", file=sys.stderr)
        return
    whole = r" \{\n.*?\n\}\n"
    node = re.compile(
        r"(PyObject \*CPyDef_value___make_node\(int16_t (?P<code>\w+), double (?P<number>\w+), "
        r"PyObject \*(?P<left>\w+), PyObject \*(?P<right>\w+), PyObject \*(?P<details>\w+)\))" + whole,
        re.DOTALL,
    )
    mode = re.compile(r"(int64_t CPyDef_value___mode_here\(void\))" + whole, re.DOTALL)
    freed = re.compile(r"(\svalue___Value_dealloc\([^{;]*\{[^}]*?)Py_TYPE\(self\)->tp_free\(\(PyObject \*\)self\);")

    def written(code):
        code = node.sub(lambda found: f"{found[1]} {{\n{MAKE_NODE.format(**found.groupdict())}", code)
        code = mode.sub(lambda found: f"{found[1]} {{\n{MODE_HERE}", code)
        return freed.sub(r"\1give_node((PyObject *)self);", code)

    rewrite(sources, written)


#: The loop over a tape in C, and its cases.
WALK = [os.path.join("tinygrad_lite", "tape", name) for name in ("walk.c", "walk_cases.h")]


def write_walk(sources):
    """Writes the loop over a tape in C: ``walking.walk``.

    Where mypyc names what it calls in another way than is known here, the loop stays as it made it.
    """
    loop, cases = map(read, WALK)
    text = loop.replace('#include "walk_cases.h"\n', cases)
    (head,) = re.findall(r"^char CPyDef_walking___walk\(.*\)$", text, re.MULTILINE)
    called = set(re.findall(r"CPyDef_numerics___\w+", cases))
    code = "".join(map(read, sources))
    if head + " {" not in code.replace("cpy_r_", "") or not all(
        f"double {name}(double " in code or f"double {name}(PyObject " in code for name in called
    ):
        print("tinygrad_lite: mypyc names functions in a new way; walking a tape will take longer.", file=sys.stderr)
        return
    own = re.compile(r"char CPyDef_walking___walk\([^)]*\) \{\n.*?\n\}\n", re.DOTALL)
    rewrite(sources, lambda code: own.sub(lambda found: text, code))


#: The loops that look whether things are what they were, in C.
SAMENESS = os.path.join("tinygrad_lite", "node", "sameness.c")


def write_sameness(sources):
    """Writes the loops of ``node/sameness.py`` in C.

    Where mypyc names or lays out things in another way than is known here, they stay as it made them.
    """
    functions = dict(re.findall(r"^(char CPyDef_\w+)(\(.*?^}\n)", read(SAMENESS), re.MULTILINE | re.DOTALL))
    headers = {source.removesuffix(".c") + ".h" for source in sources}
    code = "".join([read(path) for path in headers | sources if os.path.exists(path)]).replace("cpy_r_", "")
    heads = [name + body.partition("\n")[0] + " {" for name, body in functions.items()]
    if NODE_FIELDS + "} tinygrad_lite___node___fields___NodeObject;" not in code or not all(
        head in code for head in heads
    ):
        print("tinygrad_lite: mypyc makes nodes in a new way; reading modules will take longer.", file=sys.stderr)
        return
    own = re.compile(rf"({'|'.join(functions)})\([^)]*\) \{{\n.*?\n\}}\n", re.DOTALL)
    rewrite(sources, lambda code: own.sub(lambda found: found[1] + functions[found[1]], code))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def rewrite(paths, change):
    """Changes the text of files."""
    for path in paths:
        text = change(read(path))
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def in_c(text):
    """A text as it stands between the quotes of a C string."""
    letters = {ord("\n"): "\\n", ord('"'): '\\"', ord("\\"): "\\\\"}
    return "".join(letters.get(b) or (chr(b) if 32 <= b < 127 and b != 63 else f"\\{b:03o}") for b in text.encode())


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuild})

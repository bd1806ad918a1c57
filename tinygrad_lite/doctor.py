"""What is installed, and what to install for what is not: ``tinygrad-lite doctor``."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Final

#: Packages that parts of this one use, with what they are for.
_PACKAGES: Final = (
    ("torch", "oracle for derivatives"),
    ("mpmath", "oracle for derivatives"),
    ("hypothesis", "property tests"),
    ("matplotlib", "plots"),
    ("tqdm", "progress bars"),
)


def report() -> str:
    """Return what is installed, a line each: this package, Python, the platform, engines of ``lift``, Graphviz,
    packages.

    Returns:
        Lines of a name, blanks and what there is to say. No heavy package is imported for it but NumPy.

    >>> report().splitlines()[0].startswith("tinygrad_lite")
    True
    """
    from tinygrad_lite import __version__

    rows = [
        ("tinygrad_lite", __version__),
        ("engine", _engine()),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("platform", platform.platform()),
        *(("lift", engine) for engine in _lift_engines()),
        *(("Graphviz", renderer) for renderer in _renderers()),
        *((name, f"{version_of(name) or 'not installed'} ({purpose})") for name, purpose in _PACKAGES),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def version_of(package: str) -> str | None:
    """Return the version of an installed package, without importing it; None if it is not installed.

    >>> version_of("no-such-package-as-this") is None
    True
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def is_compiled() -> bool:
    """Whether the engine was compiled when it was installed.

    >>> is_compiled() in (True, False)
    True
    """
    from tinygrad_lite import value

    return str(value.__file__).endswith(tuple(EXTENSION_SUFFIXES))


def _engine() -> str:
    if is_compiled():
        return "compiled (mypyc)"
    if platform.python_implementation() != "CPython":
        return "interpreted: mypyc compiles for CPython only. Results are equal; only speed differs"
    return (
        "interpreted, so slower, with equal results: no C compiler was found at installation, or TINYGRAD_LITE_PURE=1 "
        "was set. Install a C compiler and the headers of Python, then run: "
        "pip install --force-reinstall --no-cache-dir --no-binary tinygrad-lite tinygrad-lite"
    )


def _lift_engines() -> Iterator[str]:
    try:
        from tinygrad_lite.lift.engines.registry import ENGINES
    except ImportError as error:  # this package requires NumPy, and a broken one is what a doctor is asked about
        yield f"not usable: {error}"
        return
    for name, engine in ENGINES.items():
        version = version_of(engine.library)
        if version is not None:
            yield f"engine {name!r}, by {engine.library} {version}"
        else:
            yield f"engine {name!r} not installed: run pip install 'tinygrad-lite[{engine.extra}]'"


def _renderers() -> Iterator[str]:
    program = shutil.which("dot")
    bundled = version_of("pygraphviz")
    if program is not None:
        yield f"{_dot_version(program)}, at {program}"
    if bundled is not None:
        yield f"in process, by pygraphviz {bundled}"
    if program is None and bundled is None:
        yield "not installed, so no pictures: run pip install 'tinygrad-lite[viz]', or see graphviz.org/download"


def _dot_version(program: str) -> str:
    try:
        # dot says its version on stderr.
        said = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=10, check=True).stderr.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return f"dot, which does not run ({error})"
    return said or "dot"

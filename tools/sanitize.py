"""The engine's tests on a build that watches its memory: AddressSanitizer and undefined behaviour, or under valgrind.

    python tools/sanitize.py address -- tests/engine
    python tools/sanitize.py valgrind -- tests/engine/test_walking.py

``address`` compiles a copy of the repository with the compiler's sanitizers, or takes a wheel that was compiled so;
``valgrind`` runs the engine that is installed. In both, Python allocates by ``malloc``, so that each object is a block
of its own. What is missing here is said, and then nothing is run. Ends with 1 if a test fails or memory is misused.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pythons import ROOT, copy_sources

FOLDER = ROOT / "build" / "sanitize"
#: What the compiler is asked for besides; later than the options of setup.py, which they replace. mypyc shifts negative
#: numbers, which the compilers that Python is built with define.
FLAGS = "-O0 -g1 -fsanitize=address,undefined -fno-sanitize=shift -fno-sanitize-recover=undefined"
_COMPILER = FOLDER / "cc"


def write_compiler() -> Path:
    """Write a compiler that adds the flags, and return it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    _COMPILER.write_text(f'#!/bin/sh\nexec cc "$@" {FLAGS}\n')
    _COMPILER.chmod(0o755)
    return _COMPILER


def build() -> Path:
    """Compile a copy of the repository, and return where it is imported from."""
    package = FOLDER / "package"
    shutil.rmtree(package, ignore_errors=True)
    copy_sources(package)
    environment = {**os.environ, "CC": str(write_compiler()), "TINYGRAD_LITE_COMPILED": "1", "CFLAGS": ""}
    print("compiling the engine for AddressSanitizer", flush=True)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=package, env=environment, check=True
    )
    for name in ("nn", "viz"):
        shutil.move(package / name, package / "tinygrad_lite" / name)
    return package


def unpack(wheel: Path) -> Path:
    """Unpack a wheel, and return where it is imported from."""
    package = FOLDER / "package"
    shutil.rmtree(package, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(package)
    return package


def address(package: Path, arguments: Sequence[str]) -> int:
    """Run tests on a build with sanitizers."""
    library = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    added = {
        "LD_PRELOAD": library.stdout.strip(),
        # Python and its libraries end without giving back all that they have
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=99",
        "PYTHONPATH": str(package),
    }
    where = [sys.executable, "-P", "-c", "import tinygrad_lite.value as value; print(value.__file__)"]
    found = subprocess.run(where, cwd=ROOT, env={**os.environ, **added}, capture_output=True, text=True, check=True)
    if not found.stdout.startswith(str(package)) or not found.stdout.strip().endswith((".so", ".pyd")):
        raise SystemExit(f"the engine that Python finds is not the one with sanitizers: {found.stdout}")
    # pytest would keep what the sanitizers write before they end it
    return run([], ["--capture=no", *arguments], added)


def under_valgrind(arguments: Sequence[str]) -> int:
    """Run tests under valgrind, which tells of what is read or written outside of blocks, or after they were freed."""
    command = ["valgrind", "--quiet", "--error-exitcode=99", "--undef-value-errors=no", "--trace-children=no"]
    command.append(f"--suppressions={ROOT / 'tools' / 'valgrind.supp'}")
    return run(command, arguments, {})


def run(before: Sequence[str], arguments: Sequence[str], added: dict[str, str]) -> int:
    """Run pytest, and return how it ended."""
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "OMP_NUM_THREADS": "1", **added}
    environment.setdefault("HYPOTHESIS_PROFILE", "quick")
    words = [*before, sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
    return subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode


def missing(what: str) -> str:
    """Return what is missing here for a run; empty if nothing is."""
    if what == "valgrind":
        return "" if shutil.which("valgrind") else "valgrind is not installed"
    if not shutil.which("cc"):
        return "there is no C compiler"
    found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=False).stdout
    return "" if os.path.isabs(found.strip()) else "the compiler has no AddressSanitizer"


def main() -> int:
    """Run the tests in one of the two ways."""
    words, arguments = sys.argv[1:], ["tests/engine"]
    if "--" in words:
        place = words.index("--")
        words, arguments = words[:place], words[place + 1 :]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("address", "valgrind"))
    parser.add_argument("--wheel", type=Path, help="a wheel that was compiled with the sanitizers")
    given = parser.parse_args(words)
    lacking = missing(given.what)
    if lacking:
        print(f"skipped, {given.what}: {lacking}")
        return int(given.wheel is not None)  # who brings a wheel wants it tested
    if given.what == "valgrind":
        code = under_valgrind(arguments)
    else:
        code = address(unpack(given.wheel) if given.wheel else build(), arguments)
    print(f"{given.what}: {'nothing was found' if code == 0 else f'ended with {code}'}")
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main())

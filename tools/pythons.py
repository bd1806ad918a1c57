"""The tests on other Pythons, on the compiled and on the interpreted build, and a table of what came out.

    python tools/pythons.py 3.13 3.14 --build pure -- tests/engine -m "not slow"

A Python is ``python3.13`` on PATH; or, for root on Debian, that of the suite of Debian that has it, which
``debootstrap`` unpacks into a folder under build/, from the mirror that this machine's own apt sources name. Of what
can be had neither way, or does not install, the table says so. A version with a t, ``3.14t``, is the free-threaded one,
which has to be on PATH and runs the interpreted build alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "pythons"
#: Which suite of Debian has a Python, and in which package.
SUITES = {
    "3.13": ("trixie", "python3.13"),
    "3.14": ("sid", "python3.14"),
    "3.15": ("sid", "python3.15"),
}
_NEEDED = "python3,python3-venv,python3-dev,gcc,libc6-dev,ca-certificates,git"
#: Of the machine: names, certificates.
_OF_THE_MACHINE = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt")
_SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True)
class Python:
    """An interpreter, and where it runs.

    Attributes:
        version: Such as ``"3.14"``.
        command: What calls it.
        root: The folder that is its file system's root.
    """

    version: str
    command: tuple[str, ...]
    root: Path = Path("/")

    def inside(self, path: Path) -> str:
        """Return a path as the interpreter sees it."""
        return "/" + str(path.relative_to(self.root))

    def call(self, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program where the interpreter runs."""
        words = [program, *arguments] if self.root == Path("/") else ["chroot", str(self.root), program, *arguments]
        return subprocess.run(
            words,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


class MissingError(Exception):
    """A Python cannot be had, or a build of it cannot be installed; the message says why."""


def find(version: str) -> Python:
    """Return a Python of a version.

    Raises:
        MissingError: There is none, and none can be had here.
    """
    name = f"python{version}"
    path = shutil.which(name)
    if path and _says_version(path, version):
        return Python(version, (path,))
    if version not in SUITES:
        raise MissingError(f"no {name} on PATH, and no suite of Debian that this tool knows has it")
    if os.getuid() != 0 or not shutil.which("debootstrap"):
        raise MissingError(f"no {name} on PATH; as root, with debootstrap installed, one of Debian would be unpacked")
    suite, package = SUITES[version]
    python = Python(version, (f"/usr/bin/{name}",), _unpacked(suite))
    if not (python.root / "usr" / "bin" / name).exists():
        options = ("-o", "Acquire::Check-Valid-Until=false")  # a mirror may stand still
        python.call("apt-get", *options, "update", "-qq")
        packages = (f"{package}-venv", f"{package}-dev")
        done = python.call("apt-get", "install", "-y", "-qq", *packages, DEBIAN_FRONTEND="noninteractive")
        if done.returncode:
            raise MissingError(f"Debian {suite} has no {package} by now: {_last_line(done.stdout)}")
    return python


def _says_version(path: str, version: str) -> bool:
    """Whether it runs, and is what its name says: a shim may be neither."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and version.removesuffix("t") in done.stdout


def _unpacked(suite: str) -> Path:
    root = FOLDER / suite
    if not (root / "unpacked").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        print(f"unpacking Debian {suite} into {root}", flush=True)
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_NEEDED}", suite, str(root), _mirror()],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MissingError(f"debootstrap of {suite} failed: {_last_line(done.stdout)}")
        (root / "unpacked").touch()
    for name in _OF_THE_MACHINE:
        if Path("/", name).exists():
            shutil.copy(Path("/", name), root / name)
    return root


def _mirror() -> str:
    """Return where this machine has Debian's packages from."""
    for path in [*Path("/etc/apt/sources.list.d").glob("*"), Path("/etc/apt/sources.list")]:
        if path.is_file():
            found = re.search(
                r"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(\S+/debian/?)(?:\s|$)", path.read_text(), re.MULTILINE
            )
            if found:
                return found[1]
    raise MissingError("the apt sources of this machine name no mirror of Debian")


def install(python: Python, build: str) -> tuple[Path, Path]:
    """Install a copy of the repository, and return it and its environment.

    Raises:
        MissingError: It does not install.
    """
    base = (FOLDER if python.root == Path("/") else python.root / "tests") / f"{python.version}-{build}"
    shutil.rmtree(base, ignore_errors=True)
    copy_sources(base / "sources")
    made = python.call(*python.command, "-m", "venv", python.inside(base / "environment"))
    if made.returncode:
        raise MissingError(f"no environment: {_last_line(made.stdout)}")
    switch = {"TINYGRAD_LITE_COMPILED": "1"} if build == "compiled" else {"TINYGRAD_LITE_PURE": "1"}
    pip = (python.inside(base / "environment" / "bin" / "python"), "-m", "pip", "install", "--quiet")
    sources = python.inside(base / "sources")
    for arguments in (
        ("--upgrade", "pip"),
        ("--group", f"{sources}/pyproject.toml:test", f"{sources}[nn,testing,viz]"),
    ):
        done = python.call(*pip, *arguments, **switch)
        if done.returncode:
            (base / "install.log").write_text(done.stdout)
            raise MissingError(f"does not install, see {base.relative_to(ROOT)}/install.log: {_last_line(done.stdout)}")
    return base / "sources", base / "environment"


def copy_sources(to: Path) -> None:
    """Copy what git knows, or will: no build of another Python is among it."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


@dataclass(frozen=True)
class Result:
    """What came out: tests run, failed and skipped, and the names of those that failed."""

    run: int
    failed: int
    skipped: int
    names: tuple[str, ...]


def test(python: Python, sources: Path, environment: Path, arguments: Sequence[str]) -> Result:
    """Run tests.

    Raises:
        MissingError: The run itself broke off.
    """
    report = sources.parent / "report.xml"
    report.unlink(missing_ok=True)
    inside = [
        python.inside(sources / part) if (sources / part.partition("::")[0]).exists() else part for part in arguments
    ]
    done = python.call(
        python.inside(environment / "bin" / "python"), "-P", "-m", "pytest", "--rootdir", python.inside(sources), "-c",
        python.inside(sources / "setup.cfg"), f"--junit-xml={python.inside(report)}", *inside,
        OMP_NUM_THREADS="1",
        HYPOTHESIS_PROFILE=os.environ.get("HYPOTHESIS_PROFILE", "quick"),
    )  # fmt: skip
    (sources.parent / "tests.log").write_text(done.stdout)
    if not report.exists():
        raise MissingError(
            f"the tests broke off, see {sources.parent.relative_to(ROOT)}/tests.log: {_last_line(done.stdout)}"
        )
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]
    names = tuple([f"{case.get('classname')}::{case.get('name')}" for case in failed])
    return Result(len(cases) - len(skipped), len(failed), len(skipped), names)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1][:200]


def main() -> int:
    """Run the tests on each Python and build, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("versions", nargs="*", default=_SUPPORTED, help=f"default: {' '.join(_SUPPORTED)}")
    parser.add_argument("--build", choices=("compiled", "pure"), help="one of the two; default: both")
    given, arguments = (
        parser.parse_known_args(sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]),
        [],
    )
    if "--" in sys.argv:
        arguments = sys.argv[sys.argv.index("--") + 1 :]
    rows, failed = [], 0
    for version in given[0].versions:
        builds = ["pure"] if version.endswith("t") else [given[0].build] if given[0].build else ["compiled", "pure"]
        for build in builds:
            try:
                python = find(version)
                result = test(python, *install(python, build), arguments or ["tests/engine", "-m", "not slow"])
            except MissingError as error:
                rows.append(f"| {version} | {build} | – | – | – | {error} |")
            else:
                failed += result.failed
                where = Path(os.path.relpath(python.root, ROOT)).name if python.root != Path("/") else "PATH"
                rows.append(f"| {version} | {build} | {result.run:,} | {result.failed} | {result.skipped} | {where} |")
                print("".join(f"FAILED on {version}, {build}: {name}\n" for name in result.names), end="")
            print(rows[-1], flush=True)
    print("\n| Python | build | run | failed | skipped | from |\n|---|---|---|---|---|---|")
    print("\n".join(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Builds the playground into ``build/playground``, and serves it to this machine alone: ``make playground``.

Everything that the page loads is put into that folder: Pyodide, which is CPython for browsers and comes from its npm
package, checked against the digest below; this project's own wheel, pure; and the three small packages in pure Python
that the wheel requires. Built once, it is built again only if what it is made of has changed.

npm fetches the package, as npm's own settings say (a mirror, a proxy). A machine without npm has no playground, and
``make docs`` leaves its page out: a package from PyPI that brings Node.js would be ten times as large as what it is
asked for.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import hashlib
import http.server
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
OUT = BUILD / "playground"

#: Packages of npm by name: the version, and the digest of its archive as the registry states it.
PACKAGES = {
    "pyodide": (
        "314.0.7",
        "sha512-0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A==",
    ),
    "axe-core": (
        "4.14.1",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ),
}
#: Of Pyodide, what a worker loads.
PYTHON = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip")
#: What the wheel requires and the page uses, beside Python's own library.
REQUIRED = ("graphviz", "mypy_extensions", "tqdm")
#: What the wheel is made of.
SOURCES = ("setup.cfg", "setup.py", "pyproject.toml", "tinygrad_lite", "nn", "viz", "tools/playground.py")


class MissingError(Exception):
    """What the playground is built with is not there."""


def fetch(package: str) -> Path:
    """Return the folder of a package of npm, fetched the first time.

    Args:
        package: A key of ``PACKAGES``.

    Raises:
        MissingError: npm is not installed, or it cannot fetch the package.
    """
    version, integrity = PACKAGES[package]
    folder = BUILD / "vendored" / f"{package}-{version}"
    if folder.exists():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError(f"npm is not installed, which fetches {package} {version}")
    with tempfile.TemporaryDirectory() as place:
        command = [npm, "pack", f"{package}@{version}", "--silent", "--pack-destination", place]
        packed = subprocess.run(command, capture_output=True, text=True, check=False)
        found = list(Path(place).glob("*.tgz"))
        if packed.returncode or len(found) != 1:
            raise MissingError(f"npm could not fetch {package} {version}: {packed.stderr.strip()[-500:]}")
        content = found[0].read_bytes()
    kind, _, expected = integrity.partition("-")
    digest = base64.b64encode(hashlib.new(kind, content).digest()).decode()
    if digest != expected:
        raise MissingError(f"{package} {version} as npm fetched it is another archive than the one that was pinned")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place, tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(place, filter="data")
        (Path(place) / "package").rename(folder)
    return folder


def state() -> str:
    """Return a digest of all that the playground is made of."""
    digest = hashlib.sha256(repr([PACKAGES, [metadata.version(name) for name in REQUIRED]]).encode())
    for name in SOURCES:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix not in (".so", ".pyd", ".pyc"):
                digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def build(out: Path = OUT) -> Path:
    """Build the playground, unless it is there as it has to be.

    Args:
        out: Its folder.

    Returns:
        The folder.

    Raises:
        MissingError: npm is missing, or what it fetches.
    """
    now = state()
    stamp = out / ".built-from"
    if stamp.exists() and stamp.read_text() == now:
        return out
    python = fetch("pyodide")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as place:
        made = Path(place) / "playground"
        (made / "pyodide").mkdir(parents=True)
        for name in PYTHON:
            shutil.copy(python / name, made / "pyodide" / name)
        (made / "engine.zip").write_bytes(_engine())
        needed = {path.relative_to(made).as_posix(): path.read_bytes() for path in sorted(made.rglob("*.*"))}
        from tinygrad_lite.viz.playground.site import files

        for name, text in files(needed, now).items():
            (made / name).write_text(text, encoding="utf-8")
        (made / stamp.name).write_text(now)
        shutil.rmtree(out, ignore_errors=True)
        made.rename(out)
    return out


def _engine() -> bytes:
    """Return the pure wheel and what it requires, as one archive."""
    shutil.rmtree(BUILD / "lib", ignore_errors=True)  # a file that is gone would get into the wheel from there
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as engine:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, str(ROOT)]
        subprocess.run(command, env=os.environ | {"TINYGRAD_LITE_PURE": "1", "TINYGRAD_LITE_COMPILED": ""}, check=True)
        (path,) = Path(place).glob("*-none-any.whl")
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                engine.writestr(name, wheel.read(name))
        for package in REQUIRED:
            for name, file in _files_of(package):
                engine.write(file, name)
    return archive.getvalue()


def _files_of(package: str) -> list[tuple[str, Path]]:
    """Return the sources of a package that is installed here, with their names in an archive."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    if not spec.submodule_search_locations:
        return [(Path(spec.origin).name, Path(spec.origin))]
    folder = Path(spec.origin).parent
    return [(path.relative_to(folder.parent).as_posix(), path) for path in sorted(folder.rglob("*.py"))]


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the folder; quiet."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file, as far as the browser wants it: it leaves when the page does."""
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)


def serve(folder: Path, port: int = 0) -> http.server.ThreadingHTTPServer:
    """Return a server of a folder, on this machine alone."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=str(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--build", action="store_true", help="build it, and serve nothing")
    parser.add_argument("--if-possible", action="store_true", help="where npm is missing, say so: no error")
    parser.add_argument("--fetch", nargs="+", default=[], metavar="PACKAGE", help="only fetch these packages of npm")
    arguments = parser.parse_args()
    try:
        if arguments.fetch:
            for package in arguments.fetch:
                print(fetch(package))
            return
        folder = build()
    except MissingError as error:
        if arguments.if_possible:
            shutil.rmtree(OUT, ignore_errors=True)  # an older one is not this one
            print(f"The site has no playground: {error}.")
            return
        sys.exit(f"The playground cannot be built: {error}.")
    if arguments.build:
        print(folder)
        return
    server = serve(folder, arguments.port)
    print(f"playground  http://127.0.0.1:{server.server_port}/index.html  (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()

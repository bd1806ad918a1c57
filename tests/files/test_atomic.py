"""A file is written whole or not at all, whatever happens meanwhile, and what is no regular file is never replaced."""

from __future__ import annotations

import errno
import io
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lite.files import atomic
from tinygrad_lite.files.atomic import write_atomically
from tinygrad_lite.lift import LiftError


def test_left_over_temporary_files_are_removed_and_those_in_use_are_not(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "m.safetensors"
    left_over, in_use = tmp_path / ".m.safetensors.0.tmp", tmp_path / ".m.safetensors.1.tmp"
    other = tmp_path / ".other.safetensors.0.tmp"
    for file in (left_over, in_use, other):
        file.write_bytes(b"half")
    with in_use.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_atomically(path, b"whole")
    assert sorted(file.name for file in tmp_path.iterdir()) == [in_use.name, other.name, path.name]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    write_atomically(path, b"old")

    class OnFullDisk(io.FileIO):
        def write(self, content: Any) -> int:
            raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(atomic, "open", lambda name, mode: io.BufferedWriter(OnFullDisk(name, mode)), raising=False)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, b"new")  # which is buffered: flush() fails, and close() again
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("f" * 251 + ".dot")
    write_atomically(path, b"1")
    assert path.read_bytes() == b"1"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_what_is_no_regular_file_is_written_into_and_stays(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    for path in (os.devnull, link):
        write_atomically(path, b"1")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(tmp_path / "pipe", b"through it")
        assert os.read(reading, 100) == b"through it"
    finally:
        os.close(reading)
    assert (tmp_path / "pipe").is_fifo()
    with pytest.raises(OSError, match=str(tmp_path)):
        write_atomically(tmp_path, b"1")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="sockets with a name are POSIX's")
def test_a_socket_and_a_disk_are_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(OSError, match="socket cannot be written: it is a socket"):
            write_atomically("socket", b"1")
        monkeypatch.setattr(stat, "S_ISSOCK", stat.S_ISFIFO)
        monkeypatch.setattr(stat, "S_ISBLK", lambda mode: True)  # no test can make a disk
        with pytest.raises(OSError, match="it is a disk"):
            write_atomically("socket", b"1")
    monkeypatch.undo()
    assert (tmp_path / "socket").is_socket()
    assert [file.name for file in tmp_path.iterdir()] == ["socket"]


#: Every function of ours that writes a file whose name the user gives, and the suffix that it wants.
WRITERS = {
    "nn.save": (".safetensors", "nn.save(nn.MLP(1, [1]), path)"),
    "Program.save": (".lift", "lift(lambda x: x * x).program_for(1.0).save(path)"),
    "Program.export": (".py", "lift(lambda x: x * x).program_for(1.0).export(path)"),
    "viz.save": (".json", "viz.save(Value(1.0), path)"),
    "Explorer.save": (".html", "viz.explore(Value(1.0)).save(path)"),
    "save_figure": (".svg", "save_figure(new_figure(1, 1, style_of('light')), path)"),
}


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest) -> tuple[str, Callable[[Path], None]]:
    suffix, code = WRITERS[request.param]
    pytest.importorskip("numpy")
    if request.param == "nn.save":
        pytest.importorskip("safetensors")
    if request.param == "save_figure":
        pytest.importorskip("matplotlib")
    imports = (
        "from tinygrad_lite import Value, nn, viz\nfrom tinygrad_lite.lift import lift\n"
        "from tinygrad_lite.plotting.plot_style import new_figure, save_figure, style_of\n"
    )
    return suffix, lambda path: exec(imports + code, {"path": path})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_no_writer_replaces_what_is_no_regular_file(tmp_path: Path, writer: tuple[str, Callable[[Path], None]]) -> None:
    suffix, write = writer
    pipe, link = tmp_path / f"pipe{suffix}", tmp_path / f"link{suffix}"
    os.mkfifo(pipe)
    link.symlink_to(os.devnull)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl = pytest.importorskip("fcntl")
    with suppress(AttributeError):  # Linux alone says how much a pipe holds
        fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 2**20)
    for path in (pipe, link):
        try:
            write(path)
        except LiftError as error:  # an exported module is two files: it is refused
            assert "no regular file" in str(error)  # noqa: PT017 (not every writer refuses)
    os.close(reading)
    assert pipe.is_fifo()
    assert stat.S_ISCHR(link.stat().st_mode)
    assert sorted(file.name for file in tmp_path.iterdir()) == [link.name, pipe.name]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_every_writer_keeps_the_mode(tmp_path: Path, writer: tuple[str, Callable[[Path], None]]) -> None:
    suffix, write = writer
    path = tmp_path / f"f{suffix}"
    path.write_bytes(b"")
    path.chmod(0o600)
    write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size > 0


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX's")
def test_every_writer_leaves_the_old_file_alone_on_a_full_disk(
    tmp_path: Path, writer: tuple[str, Callable[[Path], None]]
) -> None:
    resource = pytest.importorskip("resource")
    suffix, write = writer
    path = tmp_path / f"f{suffix}"
    write(path)  # what it imports may be compiled to files, which the limit would cut off
    path.write_bytes(b"old")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))  # files end after 8 bytes, as on a full disk
        with pytest.raises(OSError, match="large"):
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_secret_stays_one_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o600)
    seen: list[int] = []

    class Watched(io.FileIO):
        def write(self, content: Any) -> int:
            seen.append(os.fstat(self.fileno()).st_mode & 0o777)
            return super().write(content)

    monkeypatch.setattr(atomic, "open", lambda name, mode: io.BufferedWriter(Watched(name, mode)), raising=False)
    write_atomically(path, b"new" * 100_000)
    assert set(seen) == {path.stat().st_mode & 0o777}


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    write_atomically(path, b"old")

    def fail(*arguments: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_contents_are_on_the_disk_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: (calls.append(name), function(*arguments))[1]

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    write_atomically(tmp_path / "f", b"1")
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links are POSIX's")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "f", tmp_path / "link"
    write_atomically(path, b"1")
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(0o640)
    link.symlink_to(path)
    write_atomically(link, b"2")
    assert link.is_symlink()
    assert path.read_bytes() == b"2"
    assert path.stat().st_mode & 0o777 == 0o640


def test_several_may_write_one_file_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from tinygrad_lite.files.atomic import write_atomically\n"
        "for _ in range(100): write_atomically(sys.argv[1], sys.argv[2].encode() * 1000)"
    )
    path = tmp_path / "f"
    writers = [subprocess.Popen([sys.executable, "-c", code, path, letter]) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert path.read_text() in ("a" * 1000, "b" * 1000)
    assert [file.name for file in tmp_path.iterdir()] == ["f"]

"""A file is written whole or not at all, whatever happens meanwhile, and what is no regular file is never replaced."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lite.files import atomic
from tinygrad_lite.files.atomic import write_atomically


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

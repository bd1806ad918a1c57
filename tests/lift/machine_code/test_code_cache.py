"""Code on disk is used again, and only where nobody else can have written it; what is damaged is made again."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from dense_program import dense_program

from tinygrad_lite.lift.machine_code import code_cache
from tinygrad_lite.lift.machine_code.code_cache import VARIABLE, fetch

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no owners of files")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where code is kept; it is not there yet."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "of" / "code"))
    return tmp_path / "of" / "code"


class Maker:
    """Makes code, and counts how often."""

    def __init__(self, code: bytes = b"code") -> None:
        self.code, self.made = code, 0

    def __call__(self) -> bytes:
        self.made += 1
        return self.code


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_code_is_made_once_and_its_files_are_the_users_own(folder):
    make = Maker()
    assert [fetch("source", make), fetch("source", make)] == [b"code", b"code"]
    assert make.made == 1
    assert fetch("another", Maker(b"other")) == b"other"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(entry.stat().st_mode) for entry in entries(folder)] == [0o600, 0o600]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"more",
        lambda content: content[:-1] + b"f",
        lambda content: b"x" + content[1:],
        lambda content: b"",
        lambda content: content[:20],
    ],
)
def test_a_damaged_entry_is_made_again(folder, damage):
    fetch("source", Maker())
    (entry,) = entries(folder)
    entry.write_bytes(damage(entry.read_bytes()))
    make = Maker()
    assert fetch("source", make) == b"code"
    assert make.made == 1
    assert fetch("source", make) == b"code"
    assert make.made == 1


def test_an_entry_in_the_place_of_another_is_not_taken(folder):
    fetch("source", Maker(b"one"))
    (one,) = entries(folder)
    fetch("other", Maker(b"two"))
    (two,) = [entry for entry in entries(folder) if entry != one]
    one.write_bytes(two.read_bytes())
    assert fetch("source", Maker(b"one")) == b"one"


def test_entries_that_others_may_write_and_links_are_not_taken(folder, tmp_path):
    fetch("source", Maker())
    (entry,) = entries(folder)
    entry.chmod(0o622)
    make = Maker()
    fetch("source", make)
    assert make.made == 1
    (tmp_path / "elsewhere").write_bytes(entry.read_bytes())
    entry.unlink()
    entry.symlink_to(tmp_path / "elsewhere")
    fetch("source", make)
    assert make.made == 2
    assert not entry.is_symlink()
    entry.unlink()
    os.mkfifo(entry)
    fetch("source", make)
    assert make.made == 3


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_a_folder_that_others_may_enter_is_refused_with_a_warning(folder, mode):
    fetch("source", Maker(b"written by others"))
    folder.chmod(mode)
    with pytest.warns(RuntimeWarning, match=r"has to be your own and closed to others \(chmod 700\)"):
        assert fetch("source", Maker()) == b"code"


def test_a_folder_of_another_user_is_refused_with_a_warning(folder, monkeypatch):
    fetch("source", Maker(b"written by others"))
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(folder).st_uid + 1)
    with pytest.warns(RuntimeWarning, match="has to be your own"):
        assert fetch("source", Maker()) == b"code"


def test_an_entry_of_another_user_is_not_taken(folder, monkeypatch):
    fetch("source", Maker(b"written by others"))
    monkeypatch.setattr(code_cache, "_is_closed", lambda folder: True)
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(folder).st_uid + 1)
    assert fetch("source", Maker()) == b"code"


def test_what_cannot_be_a_folder_is_said(folder, tmp_path):
    (tmp_path / "of").write_text("a file")
    with pytest.warns(RuntimeWarning, match="cannot be opened as a folder"):
        assert fetch("source", Maker()) == b"code"
    (tmp_path / "of").unlink()
    (tmp_path / "of").mkdir()
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    with pytest.warns(RuntimeWarning, match="cannot be opened as a folder"):
        assert fetch("source", Maker()) == b"code"


def test_it_can_be_turned_off_and_stands_where_caches_stand(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "off")
    assert code_cache.find_folder() is None
    make = Maker()
    fetch("source", make)
    fetch("source", make)
    assert make.made == 2
    monkeypatch.delenv(VARIABLE)
    assert code_cache.find_folder() == tmp_path / "tinygrad_lite" / "code"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert code_cache.find_folder() == Path.home() / ".cache" / "tinygrad_lite" / "code"


def test_without_a_place_for_caches_nothing_is_kept_nor_said(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fetch("source", Maker()) == b"code"


def test_the_oldest_go_when_there_are_too_many_and_nothing_else_does(folder, monkeypatch):
    monkeypatch.setattr(code_cache, "MOST_BYTES", 1000)
    for number in range(6):
        fetch(str(number), Maker(bytes(200)))
        for entry in entries(folder):  # as if they were a second older
            found = entry.stat()
            os.utime(entry, ns=(found.st_atime_ns, found.st_mtime_ns - 10**9))
        (folder / "notes.txt").write_bytes(bytes(5000))
        make = Maker()
        fetch("0", make)
        assert make.made == 0  # it is used all the time
    kept = [entry for entry in entries(folder) if entry.suffix == ".code"]
    assert len(kept) == 3
    assert sum(entry.stat().st_size for entry in kept) <= 1000
    assert (folder / "notes.txt").exists()
    make = Maker()
    fetch("1", make)
    assert make.made == 1


def test_a_full_disk_does_not_stop_the_program(folder, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert fetch("source", Maker()) == b"code"
    assert entries(folder) == []


def test_threads_and_processes_at_once_see_whole_entries(folder):
    code = os.urandom(200_000)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: fetch(str(number % 3), Maker(code)), range(200)))
    assert all(each == code for each in found)
    assert len(entries(folder)) == 3


PROGRAM = """
import sys, numpy as np
from tinygrad_lite.lift.engines import numba_engine
from dense_program import dense_program
made = []
compile_object = numba_engine.compile_object
numba_engine.compile_object = lambda text: made.append(0) or compile_object(text)
program = dense_program()
shapes = [g.shape + (5,) * g.batched for g in (program.groups[k] for k in program.inputs)]
found = numba_engine.build(program)([np.full(shape, 0.25) for shape in shapes])
print(len(made), sum(float(x.sum()) for x in found).hex())
"""


def test_a_second_process_takes_the_code_of_the_first(folder):
    pytest.importorskip("llvmlite", reason="machine code needs numba's compiler: the extra fast")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", PROGRAM]
    first, second = [
        subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert [first[0], second[0]] == ["1", "0"]
    assert first[1] == second[1]


def test_other_licences_are_other_code(folder):
    pytest.importorskip("llvmlite", reason="machine code needs numba's compiler: the extra fast")
    from tinygrad_lite.lift.engines import numba_engine

    numba_engine.build(dense_program())
    numba_engine.build(dense_program(), fastmath=())
    assert len(entries(folder)) == 2
    run = numba_engine.build(dense_program())
    assert len(entries(folder)) == 2
    assert all(np.isfinite(each).all() for each in run([np.ones(s) for s in [(6, 5), (6,), (3, 6), (5, 2), (3, 2)]]))

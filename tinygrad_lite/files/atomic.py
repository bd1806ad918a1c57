"""Writing a file so that whoever looks finds the old contents or the new ones, whole, whatever happens meanwhile.

The contents go to a temporary file beside it, are forced to the disk, and take the name of the file in one step of the
file system. A process that is killed before that step leaves the old file, and a temporary one that the next write to
the same file removes.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter
from pathlib import Path
from types import ModuleType
from typing import Final

_ENDING: Final = ".tmp"

_fcntl: ModuleType | None
try:
    import fcntl as _fcntl
except ImportError:  # Windows, which by itself does not let open files be removed
    _fcntl = None


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Give a file new contents, or leave it as it was.

    Its permissions stay; a symbolic link stays one, and the file that it points to is written. A device such as
    ``/dev/null`` and a named pipe are written into; nothing that is no regular file is ever replaced.

    Args:
        path: Of the file, which need not exist; its folder must.
        content: What it shall hold.

    Raises:
        OSError: It cannot be written, or is a folder, a socket or a disk; what was there is as it was.

    >>> write_atomically("numbers.txt", b"1 2 3")
    >>> Path("numbers.txt").read_bytes()
    b'1 2 3'
    """
    if os.path.exists(path) and not os.path.isfile(path):
        _write_into(path, content)
        return
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {target.parent}")
    _remove_left_over(target)
    with _temporary_file(target) as (file, temporary):
        if target.exists() and hasattr(os, "fchmod"):  # before there is anything in it that somebody could read
            os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if _fcntl is None:
            file.close()
        os.replace(temporary, target)
    _sync_folder(target.parent)


def _write_into(path: str | os.PathLike[str], content: bytes) -> None:
    """Give the contents to what takes any bytes one after another, and refuse the rest."""
    mode = os.stat(path).st_mode
    for is_kind, name in ((stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a disk")):
        if is_kind(mode):
            raise OSError(f"{path} cannot be written: it is {name}, which no file replaces. Choose another name")
    Path(path).write_bytes(content)


@contextmanager
def _temporary_file(target: Path) -> Iterator[tuple[BufferedWriter, Path]]:
    """Yield a new file in the same folder, locked as long as it is open, and removed where an exception comes
    between."""
    file, temporary = _open_locked(target)
    try:
        yield file, temporary
    except BaseException:
        with suppress(OSError):  # of a full disk, which does not take what was left to write
            file.close()
        temporary.unlink(missing_ok=True)
        raise
    finally:
        file.close()


def _open_locked(target: Path) -> tuple[BufferedWriter, Path]:
    while True:
        temporary = target.with_name(f"{_beginning(target)}{secrets.token_hex(4)}{_ENDING}")
        file = open(temporary, "xb")  # noqa: SIM115 (the caller closes it)
        if _fcntl is None:
            return file, temporary
        with suppress(OSError):  # a file system without locks
            _fcntl.flock(file, _fcntl.LOCK_EX)
        if temporary.exists():
            return file, temporary
        file.close()  # another process took it for left over, in the instant before it was locked


def _beginning(target: Path) -> str:
    """How the names of temporary files begin: short enough for a file whose own name is as long as names may be."""
    return f".{target.name[:50]}."


def _remove_left_over(target: Path) -> None:
    """Remove the temporary files of processes that were killed: those that nobody has locked."""
    try:
        names = os.listdir(target.parent)
    except OSError:  # a folder that may be written, and not read
        return
    for name in names:
        if not (name.startswith(_beginning(target)) and name.endswith(_ENDING)):
            continue
        temporary = target.with_name(name)
        try:
            if _fcntl is None:
                temporary.unlink()
                continue
            descriptor = os.open(temporary, os.O_WRONLY)
            try:
                _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
                temporary.unlink()
            finally:
                os.close(descriptor)
        except OSError:
            continue  # in use, or removed by another process


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # a file system without it; the write itself is done
    finally:
        os.close(descriptor)

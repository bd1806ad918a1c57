"""Object code on disk: a program that was compiled before, by any process of this user, is not compiled again.

Code from a file is executed, so a file is only read where nobody else can have written it. The folder has to be the
user's own and closed to all others (mode 0700), no symbolic link, and is opened once: everything else is done relative
to it. An entry has to be the user's own regular file that nobody else may write to. It carries a digest of what it was
compiled from, by what, for which processor, and of the code: one that is cut short, damaged or put in the place of
another is made again. What passes all this can only have been written by the user, who could as well change this
package.

Entries are written under another name and moved into place, so that processes at the same time see whole ones. When
there are more than ``MOST_BYTES``, those that were not used for the longest time go. Where the folder cannot be made,
or the system has no such modes (Windows), everything is compiled in each process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

#: Names the folder; ``off``: nothing is read and nothing is kept.
VARIABLE: Final = "TINYGRAD_LITE_CODE_CACHE"
#: So much is kept at most.
MOST_BYTES = 256 * 1024 * 1024
#: An entry begins with this, and a digest.
_MAGIC: Final = b"tinygrad_lite machine code 1\n"
_HEAD: Final = len(_MAGIC) + hashlib.sha256().digest_size
#: Entries, and those being written: nothing else in the folder is ever touched.
_ENTRY: Final = re.compile(r"[0-9a-f]{64}\.code(\.[0-9a-f]{16}\.new)?")


def fetch(source: str, make: Callable[[], bytes]) -> bytes:
    """Return the object code of a source: from the folder, or made now, and kept there.

    Args:
        source: What the code is made from, by what and for which processor: all that it depends on.
        make: Makes it.

    >>> fetch("nothing", lambda: b"code")
    b'code'
    """
    key = hashlib.sha256(source.encode()).hexdigest()
    with _open_folder() as folder:
        found = None if folder is None else _read(folder, key)
        if found is None:
            found = make()
            if folder is not None:
                with contextlib.suppress(OSError):  # a full disk, for one
                    _write(folder, key, found)
                    _remove_oldest(folder)
        return found


def find_folder() -> Path | None:
    """Return where code is kept; None where it is not."""
    setting = os.environ.get(VARIABLE, "")
    if setting == "off" or not hasattr(os, "geteuid"):
        return None
    if setting:
        return Path(setting)
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "tinygrad_lite" / "code"
    except RuntimeError:  # there is no home
        return None


@contextlib.contextmanager
def _open_folder() -> Iterator[int | None]:
    """Open the folder, which is made if there is none; None, with a warning, if others can write to it."""
    path, folder = find_folder(), None
    try:
        if path is not None:
            with contextlib.suppress(FileExistsError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.mkdir(mode=0o700)
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if os.environ.get(VARIABLE):
            _warn(f"{path} cannot be opened as a folder ({error.strerror})")
    try:
        if folder is not None and not _is_closed(folder):
            _warn(f"{path} has to be your own and closed to others (chmod 700)")
            yield None
        else:
            yield folder
    finally:
        if folder is not None:
            os.close(folder)


def _is_closed(folder: int) -> bool:
    """Whether the folder is the user's own, and nobody else may even look into it."""
    found = os.fstat(folder)
    return found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == stat.S_IRWXU


def _warn(why: str) -> None:
    warnings.warn(f"machine code is not kept on disk: {why}; {VARIABLE}=off keeps none", RuntimeWarning, stacklevel=2)


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _read(folder: int, key: str) -> bytes | None:
    """Read an entry; None if there is none, or not one to be trusted."""
    try:
        file = os.open(f"{key}.code", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    with open(file, "rb") as entry:
        found = os.fstat(file)
        foreign = found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if foreign or not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            return None
        content = entry.read()
        code = content[_HEAD:]
        if content[:_HEAD] != _MAGIC + _digest(key, code):
            return None
        with contextlib.suppress(OSError):
            os.utime(file)  # it is used
        return code


def _write(folder: int, key: str, code: bytes) -> None:
    """Write an entry under another name, and move it into place."""
    name = f"{key}.code.{secrets.token_hex(8)}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as entry:
            entry.write(_MAGIC + _digest(key, code) + code)
        os.replace(name, f"{key}.code", src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


def _remove_oldest(folder: int) -> None:
    """Remove what was not used for the longest time, if there is too much."""
    entries = []
    for name in os.listdir(folder):
        if _ENTRY.fullmatch(name):
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                entries.append((found.st_mtime_ns, found.st_size, name))
    total = sum(size for _, size, _ in entries)
    for _, size, name in sorted(entries):
        if total <= MOST_BYTES:
            break
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        total -= size

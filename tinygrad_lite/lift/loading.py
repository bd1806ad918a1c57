"""``load``: programs from files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checkpointing.schedule import read_checkpoint
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.tape_program import TAPE, TapeProgram


def load(
    path: str | os.PathLike[str],
    engine: str = "numpy",
    *,
    check: bool = True,
    checkpoint: bool | int = False,
    **options: Any,
) -> Program:
    """Read a program from a file that :meth:`Program.save` wrote. It is safe to load a file from anybody.

    Args:
        path: Of the file.
        engine: What is to run it: ``"numpy"``, ``"numba"`` or ``"jax"``; ``"tape"`` what was lifted for it, and nothing
            else.
        check: Whether a result that is not finite, where all inputs are, is an error.
        checkpoint: Whether loops keep the states of few steps, as for :func:`~tinygrad_lite.lift.lift`.
        **options: For the engine.

    Returns:
        The program. It takes arguments of the same structure as before; where a module was, any with parameters of
        the same names and shapes, which is then taken to compute what that module did.

    Raises:
        LiftError: It is no such file, or damaged, or of another version; or an operation of the user's own is not
            defined.
        FileNotFoundError: There is no such file.
        ImportError: When called: the engine's library is not installed.
    """
    registry.check_engine(engine)
    registry.check_options(engine, options)
    options |= read_checkpoint(checkpoint)
    kind = TapeProgram if engine == TAPE else Program
    try:
        return kind.from_bytes(Path(path).read_bytes(), engine, check=check, **options)
    except LiftError as error:
        raise LiftError(f"{path} cannot be loaded: {error}") from None

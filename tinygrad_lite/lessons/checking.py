"""Says of an answer to an exercise of a notebook whether it is right, and why."""

from __future__ import annotations

from typing import Any

from tinygrad_lite.lessons.answers import EXERCISES


def check(exercise: str, *answer: Any) -> None:
    """Print whether an answer is right, and why.

    Args:
        exercise: The notebook's number and the exercise's: ``"1.3"``.
        answer: What the exercise asks for: numbers, names, or a function; ``...`` where there is none yet.

    Raises:
        ValueError: There is no such exercise, or its answer cannot be checked.

    >>> check("1.2", ..., ...)
    1.2: write your answer in the place of the dots: the gradients of a - a and of a / a.
    >>> check("1.2", 0, 0)
    1.2: right! Two messages arrive at a, and cancel: 1 and −1 in the first, 1/a and −a/a² in the second.
    """
    asked = EXERCISES.get(exercise)
    if asked is None:
        known = ", ".join(EXERCISES)
        raise ValueError(f"no exercise {exercise!r:.40} can be checked: there are {known}")
    if not answer or any(part is ... for part in answer):
        print(f"{exercise}: write your answer in the place of the dots: {asked.asks}.")
        return
    if len(answer) != asked.parts:
        print(f"{exercise}: the answer has {asked.parts} parts, not {len(answer)}: {asked.asks}.")
        return
    try:
        fault = asked.fault(*answer)
    except Exception as error:  # whatever a reader's function does, or an answer of another kind
        fault = f"it raised {type(error).__name__}: {error}"[:300]
    print(f"{exercise}: right! {asked.because}" if not fault else f"{exercise}: not yet. {fault}")

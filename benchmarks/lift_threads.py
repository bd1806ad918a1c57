"""Threads that lift one model at once, beside threads that call it: no bit of a weight, and of no eager call, differs.

    python benchmarks/lift_threads.py --models 200

For each model, eight threads make their first call of a lifted function at the same moment: every other time of one
that they share. Meanwhile one thread calls the model eagerly, and compares each number to the bit, and another counts
up a parameter of a second model, which is lifted too: its last number has to be there. Prints how many calls there
were, and what differed. Ends with 1 if anything did.
"""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

from tinygrad_lite import lift, nn, value_and_grad

_POINT = [0.5, -0.25]
_COUNT = 400


@dataclass
class Found:
    """What was seen.

    Attributes:
        calls: Of the model beside the threads that lift.
        lifted: Calls of lifted functions.
        wrong: What differed, in words.
    """

    calls: int = 0
    lifted: int = 0
    wrong: list[str] = field(default_factory=list)


def attack(models: int, threads: int = 8, first: int = 0) -> Found:
    """Lift models from several threads at once.

    Args:
        models: How many.
        threads: That lift each.
        first: The seed of the first model.
    """
    found = Found()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for seed in range(first, first + models):
            _attack_model(seed, threads, found)
    finally:
        sys.setswitchinterval(before)
    return found


def _attack_model(seed: int, threads: int, found: Found) -> None:
    model, counted = (nn.MLP(2, [5, 5, 1], "tanh", generator=seed + k) for k in (0, 10_000))
    bits = [(value.data.hex(), value.requires_grad) for value in model.parameters()]
    value, slopes = value_and_grad(lambda m: m(_POINT))(model)
    shared = lift(value_and_grad(lambda m, x: m(x)))
    barrier, stop = threading.Barrier(threads + 2), threading.Event()

    def lift_it() -> None:
        lifted = shared if seed % 2 else lift(value_and_grad(lambda m, x: m(x)))
        barrier.wait()
        own, gradients = lifted(model, _POINT)
        lifted(counted, _POINT)
        found.lifted += 1
        if abs(own - value) > 1e-14 or any(abs(gradients[name] - slopes[name]).max() > 1e-14 for name in slopes):
            found.wrong.append(f"model {seed}: a lifted call gave {own!r}, and not {value!r}")

    def call_it() -> None:
        barrier.wait()
        while not stop.is_set():
            number = model(_POINT).data
            found.calls += 1
            if number != value:
                found.wrong.append(f"model {seed}: an eager call gave {number!r}, and not {value!r}")

    def count() -> None:
        weight: Any = next(iter(counted.parameters()))
        barrier.wait()
        for number in range(_COUNT):
            weight.data = number / _COUNT

    def watched(work: Any) -> Any:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                barrier.abort()
                found.wrong.append(f"model {seed}: {type(error).__name__}: {error}")

        return run

    working = [threading.Thread(target=watched(work)) for work in [*[lift_it] * threads, count]]
    calling = threading.Thread(target=watched(call_it))
    for thread in [*working, calling]:
        thread.start()
    for thread in working:
        thread.join()
    stop.set()
    calling.join()
    if [(value.data.hex(), value.requires_grad) for value in model.parameters()] != bits:
        found.wrong.append(f"model {seed}: its weights are not what they were")
    if next(iter(counted.parameters())).data != (_COUNT - 1) / _COUNT:
        found.wrong.append(f"model {seed}: an update of a parameter was lost")


def main() -> int:
    """Run the attack, and tell what differed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--threads", type=int, default=8)
    given = parser.parse_args()
    found = attack(given.models, given.threads)
    for line in found.wrong:
        print(line)
    print(
        f"{given.models} models, each lifted by {given.threads} threads at once: {found.lifted:,} lifted calls, "
        f"{found.calls:,} eager calls beside them; {len(found.wrong)} differences"
    )
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

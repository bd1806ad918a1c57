"""What the soak does to a process: kills, interruptions, threads."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import threading
import time
from typing import Any

import graphs
import models
from world import LEFT_OPEN, World, bits, open_files, require

import tinygrad_lite as tg
from tinygrad_lite import Value, nn

_INTERRUPTED = (
    *(graphs.grow, graphs.change, graphs.duplicate, graphs.differentiate_twice, graphs.compare_expressions),
    *(graphs.picture, models.make, models.train_by_hand, models.fit, models.save_and_load, models.lift_model),
)


def kill_while_saving(world: World) -> None:
    """Kill a process that saves again and again: the file is one of those that were saved, whole."""
    one = models.any_model(world)
    other, _ = one.make(world.rng.randrange(1000, 2000))
    path = world.folder / "killed.safetensors"
    nn.save(one.model, path)
    child = _fork()
    if child == 0:
        try:
            while True:
                for model in (other, one.model):
                    nn.save(model, path)
        finally:
            os._exit(1)
    time.sleep(world.rng.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    known = (bits(one.model), bits(other))
    found, _ = one.make(3)
    nn.load(found, path)
    require(bits(found) in known, "a kill left another file")
    nn.save(one.model, path)
    require(not list(world.folder.glob("killed*.tmp")), "what a kill left stayed")


def _fork() -> int:
    faulthandler.cancel_dump_traceback_later()  # it waits in a thread, beside which Python warns of forks
    return os.fork()


def kill_while_fitting(world: World) -> None:
    """Kill a training run: resumed, it gives the bits of one that was not killed."""
    one = models.any_model(world)
    if not one.smooth:
        return
    path = world.folder / "run.safetensors"
    path.unlink(missing_ok=True)
    arguments: dict[str, Any] = {"epochs": 6, "batch_size": 4, "progress": False}

    def run(seed: int, checkpoint: bool) -> Any:
        model, optimizer = one.make(seed)
        kept: Any = {"checkpoint": path, "resume": True} if checkpoint else {}
        history = nn.fit(model, one.loss, one.data, optimizer, generator=7, **arguments, **kept)
        return bits(model), list(history["loss"])

    seed = world.rng.randrange(1000)
    child = _fork()
    if child == 0:
        try:
            run(seed, checkpoint=True)
        finally:
            os._exit(0)
    time.sleep(world.rng.uniform(0.0, 0.15))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    require(run(seed, checkpoint=True) == run(seed, checkpoint=False), "a resumed run differs")


def interrupt(world: World) -> None:
    """Press Ctrl-C at any instant of something else: it is raised, or the work is done, and nothing stays half."""
    action = world.rng.choice(_INTERRUPTED)
    kept = [(bits(one.model), one.model) for one in world.models] if action is models.lift_model else []
    graphs_before, models_before = list(world.graphs), list(world.models)

    files_before = open_files()
    running = True

    def press(*_: Any) -> None:
        nonlocal running
        if running:
            running, world.interrupted = False, True
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    try:
        signal.setitimer(signal.ITIMER_REAL, world.rng.expovariate(1.0 / 0.02) + 1e-5)
        action(world)
        running = False
    except KeyboardInterrupt:
        pass
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    if world.interrupted:
        world.counts[f"interrupted: {action.__name__}"] += 1
        # In C, or between two lines of Python's own open and Popen, a file is open that nobody has yet.
        gc.collect()
        for number, target in open_files().items():
            if files_before.get(number) != target:
                world.counts[LEFT_OPEN] += 1
                print(f"Ctrl-C within {action.__name__} left {target} open", flush=True)
    world.interrupted = False
    for weights, model in kept:
        require(bits(model) == weights, "an interrupted lift changed weights")
    # what was interrupted within a change is half changed, as any object of Python would be
    if action in (graphs.change, graphs.differentiate_twice):
        for root in graphs_before:
            root.forward()
        world.graphs = [root for root in graphs_before if _is_usable(root)]
    if action in (models.train_by_hand, models.fit, models.save_and_load):
        world.models = [one for one in models_before if one in world.models]


def _is_usable(root: Value) -> bool:
    return all(abs(p) < 1e6 for node in tg.topological_order(root) for p in node.partials)


def threads(world: World) -> None:
    """Run threads that build and differentiate, beside two that lift a model that others call: no bit differs."""
    one = models.any_model(world)
    if not one.smooth:
        return
    xs, ys = one.data
    before = bits(one.model)
    wanted = models._loss(one).data
    wrong: list[str] = []
    barrier = threading.Barrier(4)

    def lifts() -> None:
        barrier.wait()
        lifted = tg.lift(lambda m, x: one.loss(models._outputs(m, x, ys), ys), engine=("numpy", "tape")[world.step % 2])
        found = lifted(one.model, xs)
        if abs(found - wanted) > 1e-12 * (1.0 + abs(wanted)):
            wrong.append(f"lifted {found}, eager {wanted}")

    def calls() -> None:
        barrier.wait()
        for _ in range(5):
            found = models._loss(one).data
            if found != wanted:
                wrong.append(f"a call beside gave {found}, and not {wanted}")

    def differentiates() -> None:
        barrier.wait()
        for k in range(200):
            x = Value(k / 100.0)
            with tg.no_grad():
                _ = x * 2.0
            (tg.sin(x) * x).backward()
            again = Value(k / 100.0)
            (tg.sin(again) * again).backward()
            if again.grad != x.grad or x.grad == 0.0 < k:
                wrong.append(f"gradients {x.grad} and {again.grad}")

    def watched(work: Any) -> Any:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                barrier.abort()
                wrong.append(f"{type(error).__name__}: {error}")

        return run

    running = [threading.Thread(target=watched(work)) for work in (lifts, calls, differentiates, lifts)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    require(not wrong, wrong[:3])
    require(bits(one.model) == before, "threads changed weights")
    world.counts["threads"] += 4

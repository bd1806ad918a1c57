"""The training loop, with what it should always have had: progress, validation, and a way on after an interruption.

>>> from tinygrad_lite.nn.train.data import xor
>>> from tinygrad_lite.nn.layers.layers import MLP
>>> from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits
>>> from tinygrad_lite.nn.train.metrics import accuracy
>>> from tinygrad_lite.nn.optim.optimizers import SGD
>>> model = MLP(2, [4, 1], "tanh", seed=0)
>>> optimizer = SGD(model.parameters(), lr=0.5, momentum=0.9)
>>> history = fit(model, binary_cross_entropy_with_logits, xor(), optimizer, 100, metrics=[accuracy], generator=0)
>>> history["accuracy"][-1]
1.0
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygrad_lite.nn.base.batches import as_list, as_numbers, as_samples, compute_outputs, needs_batches, split_batches
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.module import Module, training_mode
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.train.callbacks import as_callbacks
from tinygrad_lite.nn.train.history import History
from tinygrad_lite.nn.train.metrics import Metric, Metrics, as_named
from tinygrad_lite.nn.train.steps import Computation, Loss, Steps
from tinygrad_lite.nn.train.trainer import Trainer, measure


def fit(
    model: Module,
    loss: Loss,
    data: Any,
    optimizer: Any,
    epochs: int = 10,
    batch_size: int | None = 32,
    *,
    validation_data: Any = None,
    metrics: Metrics = None,
    callbacks: Any = (),
    scheduler: Any = None,
    scheduler_every: str = "epoch",
    shuffle: bool = True,
    drop_last: bool = False,
    generator: Generator = None,
    batched: bool | None = None,
    engine: str = "eager",
    clip_grad_norm: float | None = None,
    accumulate: int = 1,
    autocast: str | None = None,
    scaler: Any = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    resume: bool | str | Path = False,
    progress: bool | None = None,
) -> History:
    """Train a model on samples and their targets, epoch after epoch.

    Ctrl-C ends it early: the model is as it was before the batch that was interrupted, and the history of the epochs
    that were done is returned. With ``checkpoint``, a run that was killed goes on from the last epoch that was done,
    and gives the same weights and history, to the bit, as one that was not. For that everything has to be as before:
    data, arguments and versions, the same classes of model, optimiser, schedule and callbacks, and no random numbers
    from elsewhere than ``generator`` and the ``random.Random`` objects in the attributes of modules.

    Args:
        model: What is trained. While it is, it is in training mode, and in evaluation mode for the validation; at the
            end its modes are as before.
        loss: ``loss(outputs, targets)`` gives a Value, the mean over a batch. Outputs and targets are lists of one
            item a sample. Where outputs are sequences of one number, and targets numbers, the outputs are given as
            numbers.
        data: The pair (inputs, targets): lists, NumPy arrays or data frames, one item a sample.
        optimizer: What moves the parameters.
        epochs: How often all samples are seen; with ``resume``, those before included.
        batch_size: The number of samples for each step; None for all.
        validation_data: Another such pair, on which loss and metrics are computed after each epoch.
        metrics: One function ``metric(outputs, targets)`` of plain numbers, such as
            :func:`~tinygrad_lite.nn.train.metrics.accuracy`, a list of them, or a dict by name. Those on ``data`` are
            means over the batches, of the model as it was at each.
        callbacks: Objects such as :class:`~tinygrad_lite.nn.train.callbacks.EarlyStopping`, or functions of the run
            that are called after each epoch.
        scheduler: A learning-rate schedule of the optimiser. One whose ``step`` takes a number, as ReduceLROnPlateau's,
            is given the validation loss (without validation, the loss).
        scheduler_every: ``"epoch"`` or ``"batch"`` (each step of the optimiser): when the schedule steps.
        shuffle: Whether the samples of each epoch come in a new order.
        drop_last: Whether to leave out a last batch that is smaller than the others.
        generator: What the order is drawn from: a ``random.Random``, an int that seeds one, or None for a new one,
            different each time unless :func:`tinygrad_lite.nn.seed` or ``random.seed`` was called.
        batched: Whether the model is called with a list of all inputs of a batch (True), or with each (False). None is
            True if one of its modules needs it, such as BatchNorm1d.
        engine: ``"eager"`` records the graph of each batch. ``"numpy"``, ``"numba"`` (fastest for small models; extra
            ``fast``), ``"jax"`` (extra ``jax``) and ``"tape"`` (for models in which little repeats) lift it once, and
            run loss, gradients, clipping and optimiser as programs on arrays; see below.
        clip_grad_norm: Shortens the gradient to this norm where it is longer.
        accumulate: The number of batches whose gradients make one step: the step of one batch of all their samples,
            with the memory of one of them.
        autocast: ``"float16"`` or ``"bfloat16"``, a narrow format to compute in.
        scaler: A GradScaler for it. Steps that it skips are no error.
        checkpoint: A file that is written after each epoch, in one step, so that it is whole whatever happens.
        checkpoint_every: After how many epochs it is written; after the last one it always is.
        resume: True goes on from ``checkpoint`` if that file exists, and begins if not; a path goes on from that file.
        progress: True shows a progress bar, False none, None where somebody watches: in a terminal or a notebook.

    Returns:
        The numbers of each epoch: ``"loss"``, metrics by name, ``"lr"`` of the first parameter group, and those of the
        validation: ``"val_loss"``, and metrics with ``"val_"`` before their names.

    Raises:
        NonFiniteError: A loss, a gradient or a weight is infinite or NaN; the message says in which epoch, batch and
            layer. The model has the last weights whose loss was finite. The optimiser is not taken back: go on with a
            new one.
        TypeError: Data are no pair of sequences, the loss is no function or gave no Value, or a class was given in
            the place of an object.
        ValueError: Data are empty or of different lengths, a number is out of its range, the optimiser has no parameter
            of the model, or the checkpoint is damaged or of another run.
        LiftError: The engine is not ``"eager"``, and something is for the eager one only. Nothing has moved then.
        ImportError: The engine's library is not installed.

    >>> from tinygrad_lite.nn.layers.layers import Neuron
    >>> from tinygrad_lite.nn.losses.losses import mse_loss
    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> line = Neuron(1, None)
    >>> data = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0]
    >>> history = fit(line, mse_loss, data, SGD(line.parameters(), lr=0.1), epochs=100, batch_size=2)
    >>> round(line.w[0].data, 3), round(line.b.data, 3)
    (2.0, 1.0)

    The other engines give the same history, weights and checkpoints, to rounding, from the same ``generator``: a sum
    is added up in another order. Batches have the same samples, and a run may go on from a checkpoint of another
    engine. A program is compared with the eager run before the first step, which takes about as long as a few eager
    steps:

    >>> from tinygrad_lite.nn.train.data import moons
    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits
    >>> data = moons(100, generator=0)
    >>> def train(engine):
    ...     model = MLP(2, [16, 16, 1], seed=0)
    ...     optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    ...     return fit(model, binary_cross_entropy_with_logits, data, optimizer, 20, engine=engine, generator=0)["loss"]
    >>> eager, lifted = train("eager"), train("numpy")
    >>> max(abs(a - b) for a, b in zip(eager, lifted)) < 1e-12
    True

    - Inputs and targets are numbers, in arrays of one shape for all samples. A loss that is the mean or the sum of the
      losses of the samples is lifted from one sample; others, and models that take whole batches, for each batch size.
    - Parameters, gradients and the optimiser's memory are put back before each callback that is defined, for
      checkpoints, after an interruption or an error, and at the end. After callbacks the program is compared with the
      model again, and made anew if the callback changed that; per-batch callbacks cost accordingly. Gradients are those
      of the optimiser's parameters, and no others.
    - With ``"jax"``, all batches of an epoch that have one size are one compiled call, unless there are callbacks after
      batches. Ctrl-C ends it after the call, and metrics are computed after it.
    - For the eager engine only are: random numbers in the model (Dropout), buffers that training changes (BatchNorm1d
      that tracks its statistics), ``autocast`` and ``scaler``, SophiaH and SophiaG, optimisers with a ``step`` of
      their own, observers of modules, ``detect_anomaly``, and branches on numbers.
    - Validation runs as programs where it can, and else eagerly.
    """
    _check_counts(epochs=(epochs, 0), accumulate=(accumulate, 1), checkpoint_every=(checkpoint_every, 1))
    if batch_size is not None:
        _check_counts(batch_size=(batch_size, 1))
    if scheduler_every not in ("epoch", "batch"):
        raise ValueError(f"scheduler_every is 'epoch' or 'batch', not {scheduler_every!r}")
    _check_objects(loss=loss, optimizer=optimizer, scheduler=scheduler)
    _check_moved(model, loss, optimizer)
    compute = Computation(model, loss, batched, autocast)
    trainer = Trainer(
        steps=_steps(engine, compute, optimizer, as_named(metrics), clip_grad_norm, scaler),
        samples=as_samples(data),
        validation=None if validation_data is None else as_samples(validation_data, "validation_data"),
        epochs=epochs,
        batch_size=batch_size,
        rng=as_generator(generator),
        shuffle=shuffle,
        drop_last=drop_last,
        accumulate=accumulate,
        callbacks=as_callbacks(callbacks),
        scheduler=scheduler,
        scheduler_every=scheduler_every,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    return trainer.run(_resume_from(resume, checkpoint), progress)


def evaluate(
    model: Module,
    loss: Loss,
    data: Any,
    batch_size: int | None = 32,
    *,
    metrics: Metrics = None,
    batched: bool | None = None,
    autocast: str | None = None,
) -> dict[str, float]:
    """Measure loss and metrics of a model on data, in evaluation mode; then its modes are as before.

    Args:
        model: Which is left as it is.
        loss: ``loss(outputs, targets)``, as for :func:`fit`.
        data: The pair (inputs, targets), as for :func:`fit`.
        batch_size: How many samples are in memory at a time; None for all.
        metrics: As for :func:`fit`; here they see all outputs at once.
        batched: As for :func:`fit`.
        autocast: As for :func:`fit`.

    Returns:
        ``"loss"``, the mean over the samples, and the metrics by name.

    Raises:
        TypeError: Data are no pair of sequences, or the loss gave no Value.
        ValueError: Data are empty or of different lengths.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> from tinygrad_lite.nn.losses.losses import mse_loss
    >>> from tinygrad_lite.nn.train.metrics import accuracy
    >>> model = MLP(1, [1])
    >>> for parameter in model.parameters():
    ...     parameter.data = 1.0
    >>> evaluate(model, mse_loss, ([[0.0], [1.0]], [0, 1]), metrics=[accuracy])
    {'loss': 1.0, 'accuracy': 0.5}
    """
    compute = Computation(model, loss, batched, autocast)
    return measure(compute, as_samples(data), batch_size, as_named(metrics), compute.each)


def predict(model: Module, inputs: Any, batch_size: int | None = 32, *, batched: bool | None = None) -> list[Any]:
    """Compute what a model gives for inputs, as plain numbers, in evaluation mode; then its modes are as before.

    Args:
        model: Which is left as it is.
        inputs: A list or an array, one item a sample.
        batch_size: How many samples are in memory at a time; None for all.
        batched: As for :func:`fit`.

    Returns:
        An output a sample: a number, or lists of numbers.

    Raises:
        TypeError: The inputs are no sequence.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> predict(MLP(2, [3, 1]), [[0.0, 0.0], [0.0, 0.0]])
    [0.0, 0.0]
    """
    samples = as_list(inputs, "inputs")
    modules = list(model.modules())
    as_batches = needs_batches(modules) if batched is None else batched
    outputs: list[Any] = []
    with training_mode(modules, training=False):
        for places in split_batches(len(samples), batch_size, None):
            outputs += as_numbers(compute_outputs(model, [samples[i] for i in places], as_batches))
    return outputs


def _steps(
    engine: str, compute: Computation, optimizer: Any, metrics: dict[str, Metric], clip: float | None, scaler: Any
) -> Steps:
    if engine == "eager":
        return Steps(compute, optimizer, metrics, clip, scaler)
    from tinygrad_lite.lift.engines.registry import ENGINES

    if engine not in ENGINES:
        raise ValueError(f"engine is one of {', '.join(map(repr, ['eager', *ENGINES]))}, not {engine!r}")
    if engine == "jax":
        from tinygrad_lite.nn.lifted.lifted_scan import ScannedSteps

        return ScannedSteps(compute, optimizer, metrics, clip, scaler, engine)
    from tinygrad_lite.nn.lifted.lifted_steps import LiftedSteps

    return LiftedSteps(compute, optimizer, metrics, clip, scaler, engine)


def _resume_from(resume: bool | str | Path, checkpoint: str | Path | None) -> str | Path | None:
    if resume is False:
        return None
    if resume is not True:
        return resume
    if checkpoint is None:
        raise ValueError("resume=True goes on from a checkpoint: give its path as checkpoint=..., or as resume=...")
    return checkpoint if Path(checkpoint).exists() else None


def _check_objects(loss: Any, **others: Any) -> None:
    for name, given in {"loss": loss, **others}.items():
        if isinstance(given, type):
            raise TypeError(
                f"{name} is the class {given.__name__}, and not an object of it: write {given.__name__}(...)"
            )
    if not callable(loss):
        raise TypeError(
            f"loss is a function of outputs and targets, such as mse_loss, not {type(loss).__name__} {loss!r:.80}"
        )


def _check_moved(model: Any, loss: Any, optimizer: Any) -> None:
    """Refuse an optimiser of another model: training would move nothing of this one, and say nothing."""
    trained = [p for part in (model, loss) if isinstance(part, Module) for p in part.parameters() if p.requires_grad]
    if isinstance(optimizer, Optimizer) and trained and not set(trained) & set(optimizer.parameters):
        who = type(optimizer).__name__
        raise ValueError(f"{optimizer!r} has no parameter of the model: write {who}(model.parameters(), ...)")


def _check_counts(**counts: tuple[int, int]) -> None:
    for name, (given, least) in counts.items():
        if not isinstance(given, int) or isinstance(given, bool):
            raise TypeError(f"{name} is an int, not {type(given).__name__} {given!r}")
        if given < least:
            raise ValueError(f"{name} is at least {least}, not {given}")

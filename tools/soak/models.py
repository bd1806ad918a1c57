"""What the soak does with models: training on every engine, files, slopes against finite differences."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from world import Trained, World, bits, require

from tinygrad_lite import lift, nn, value_and_grad
from tinygrad_lite.errors import LiftError


class Last(nn.Module):
    """A recurrent layer, and a number from its last state."""

    def __init__(self, layer: Callable[..., Any], generator: int) -> None:
        super().__init__()
        self.layer = layer(2, 3, generator=generator)
        self.head = nn.Linear(3, 1, generator=generator + 1)

    def forward(self, xs: Any) -> Any:
        """Compute a number from the vectors of a sequence."""
        return self.head(self.layer(xs)[0][-1])[0]


def make(world: World) -> None:
    """Make a model of a drawn kind, with an optimiser and data."""
    rng = world.rng
    width, count = rng.randint(2, 8), rng.randint(2, 12)
    points = [[rng.uniform(-1.0, 1.0) for _ in range(2)] for _ in range(count)]
    kind = rng.choice(("moons", "classes", "normalised", "batch", "dropout", "convolution", "recurrent", "attention"))
    loss: Callable[[Any, Any], Any] = nn.mse_loss
    inputs: list[Any] = points
    targets: list[Any] = [[p[0] * p[1]] for p in points]
    build: Callable[[int], Any]
    if kind == "moons":
        inputs, targets = (list(part) for part in nn.moons(count, generator=rng.randrange(1000)))
        activation = rng.choice(("tanh", "gelu", "silu", "softplus"))
        build = lambda seed: nn.MLP(2, [width, width, 1], activation, generator=seed)  # noqa: E731
        loss = nn.binary_cross_entropy_with_logits
    elif kind == "classes":
        targets = [rng.randrange(3) for _ in points]
        build = lambda seed: nn.MLP(2, [width, 3], "tanh", generator=seed)  # noqa: E731
        loss = nn.cross_entropy
    elif kind in ("normalised", "batch", "dropout"):
        middle = {"normalised": lambda: nn.LayerNorm(width), "batch": lambda: nn.BatchNorm1d(width)}.get(
            kind, lambda: nn.Dropout(0.3, generator=5)
        )
        build = lambda seed: nn.Sequential(  # noqa: E731
            nn.Linear(2, width, generator=seed), middle(), nn.Tanh(), nn.Linear(width, 1, generator=seed + 1)
        )
    elif kind == "convolution":
        inputs = [[[rng.uniform(-1.0, 1.0) for _ in range(8)]] for _ in range(count)]
        build = lambda seed: nn.Sequential(  # noqa: E731
            nn.Conv1d(1, 2, 3, generator=seed), nn.SiLU(), nn.Flatten(0), nn.Linear(12, 1, generator=seed)
        )
    else:
        inputs = [[[rng.uniform(-1.0, 1.0) for _ in range(2)] for _ in range(3)] for _ in range(count)]
        if kind == "recurrent":
            layer = rng.choice((nn.RNN, nn.GRU, nn.LSTM))
            targets = [sum(x[0] for x in xs) for xs in inputs]
            build = lambda seed: Last(layer, seed)  # noqa: E731
        else:
            build = lambda seed: nn.Sequential(  # noqa: E731
                nn.TransformerBlock(2, 1, 3, activation="gelu", generator=seed),
                nn.Flatten(0),
                nn.Linear(6, 1, generator=seed),
            )
    chosen = rng.choice(("SGD", "Adam", "AdamW", "Lion", "RMSprop", "AdamWScheduleFree"))

    def both(seed: int) -> tuple[Any, Any]:
        model = build(seed)
        return model, getattr(nn, chosen)(model.parameters(), lr=0.01)

    model, optimizer = both(rng.randrange(1000))
    world.keep(world.models, Trained(both, model, optimizer, (inputs, targets), loss, kind not in ("dropout", "batch")))
    world.counts[f"models: {kind}"] += 1


def train_by_hand(world: World) -> None:
    """Take a few steps of a loop that a user writes; the loss's slope is right before each."""
    one = any_model(world)
    if hasattr(one.optimizer, "train"):
        one.optimizer.train()
    for _ in range(world.rng.randint(1, 3)):
        if one.smooth:
            _check_slope(world, one)
        loss = _loss(one)
        one.optimizer.zero_grad()
        loss.backward()
        one.optimizer.step()
        world.counts["steps of training"] += 1


def fit(world: World) -> None:
    """Train on another engine: it gives what eager training gives, from the same state."""
    one = any_model(world)
    rng = world.rng
    engine = world.engine(3, 2, 1, eager=3)
    twin, its_optimizer = one.make(0)
    path = world.path(".safetensors")
    nn.save(one.model, path, one.optimizer)
    nn.load(twin, path, its_optimizer)
    require(bits(twin) == bits(one.model), "a file gave other weights")
    size = None if _is_batched(one.model) else rng.choice((None, 4))
    arguments = {"epochs": rng.randint(1, 2), "batch_size": size, "generator": rng.randrange(1000)}
    state = copy.deepcopy(_random_states(one.model))
    _set_random_states(twin, state)
    nn.fit(one.model, one.loss, one.data, one.optimizer, progress=False, **arguments)
    try:
        nn.fit(twin, one.loss, one.data, its_optimizer, engine=engine, progress=False, **arguments)
    except LiftError as error:
        require(len(str(error)) > 20, "refused without words:", error)
        world.counts["training refused"] += 1
        return
    if world.interrupted:  # which fit takes as the wish to end
        return
    if engine == "eager":
        require(bits(twin) == bits(one.model), "the same training twice gave other bits")
    elif type(one.optimizer).__name__ not in ("Lion", "RMSprop", "Adam", "AdamW", "AdamWScheduleFree"):
        # those divide by a slope's size, or take its sign: near a slope of 0 rounding alone decides
        for p, q in zip(one.model.parameters(), twin.parameters(), strict=True):
            require(abs(p.data - q.data) <= 1e-9 * (1.0 + abs(p.data)), engine, "trains to", q.data, "eager to", p.data)
    world.counts[f"trained on {engine}"] += 1


def _random_states(model: Any) -> list[Any]:
    return [
        part.generator.getstate() for part in model.modules() if hasattr(getattr(part, "generator", None), "getstate")
    ]


def _set_random_states(model: Any, states: list[Any]) -> None:
    parts = [part for part in model.modules() if hasattr(getattr(part, "generator", None), "getstate")]
    for part, state in zip(parts, states, strict=True):
        part.generator.setstate(state)


def save_and_load(world: World) -> None:
    """Save and load: it is the same to the bit; what is damaged is refused, and changes nothing."""
    one = any_model(world)
    path = world.path(".safetensors")
    nn.save(one.model, path, one.optimizer, extra=[world.step, 0.1])
    twin, its_optimizer = one.make(1)
    content = bytearray(path.read_bytes())
    before = bits(twin)
    if world.rng.random() < 0.5:
        content[world.rng.randrange(len(content))] ^= 1 << world.rng.randrange(8)
    else:
        del content[world.rng.randrange(len(content)) :]
    damaged = world.folder / "damaged.safetensors"
    damaged.write_bytes(content)
    try:
        nn.load(twin, damaged, its_optimizer)
    except ValueError:
        require(bits(twin) == before, "a damaged file changed weights")
    else:
        require(False, "a damaged file was loaded")
    require(nn.load(twin, path, its_optimizer) == [world.step, 0.1], "the extra of a file differs")
    require(bits(twin) == bits(one.model), "a file gave other weights")
    require(
        str(its_optimizer.state_dict()) == str(one.optimizer.state_dict()), "a file gave another state of an optimiser"
    )


def lift_model(world: World) -> None:
    """Lift a loss and its gradient: they are the eager ones, and lifting changes no bit of the model."""
    one = any_model(world)
    if not one.smooth:
        return
    engine = world.engine(3, 3, 1)
    before = bits(one.model)
    xs, ys = one.data

    def loss(model: Any, inputs: Any) -> Any:
        return one.loss(_outputs(model, inputs, ys), ys)

    value, slopes = value_and_grad(loss)(one.model, xs)
    lifted = lift(value_and_grad(loss), engine=engine)
    own, gradients = lifted(one.model, xs)
    require(abs(own - value) <= 1e-12 * (1.0 + abs(value)), engine, "gives", own, "and eager", value)
    for name in slopes:
        error = abs(gradients[name] - slopes[name]).max()
        require(error <= 1e-11, engine, "is off by", error, "in", name)
    require(bits(one.model) == before, "lifting changed weights")
    world.counts[f"programs on {engine}"] += 1


def _loss(one: Trained) -> Any:
    return one.loss(_outputs(one.model, *one.data), one.data[1])


def _outputs(model: Any, xs: Any, ys: Any) -> Any:
    outputs = model(xs) if _is_batched(model) else [model(x) for x in xs]
    return (
        [out[0] for out in outputs] if isinstance(ys[0], float) and isinstance(outputs[0], (list, tuple)) else outputs
    )


def _is_batched(model: Any) -> bool:
    return any(isinstance(part, nn.BatchNorm1d) for part in model.modules())


def _check_slope(world: World, one: Trained) -> None:
    """Compare the gradient along a drawn direction with differences of fourth order."""
    parameters = list(one.model.parameters())
    direction = [world.rng.uniform(-1.0, 1.0) for _ in parameters]
    before = [p.data for p in parameters]

    def at(offset: float) -> float:
        for p, start, along in zip(parameters, before, direction, strict=True):
            p.data = start + offset * along
        return float(_loss(one).data)

    def difference(h: float) -> float:
        return (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)

    try:
        coarse, slope = difference(2e-3), difference(5e-4)
    finally:
        for p, start in zip(parameters, before, strict=True):
            p.data = start
    for p in parameters:
        p.grad = 0.0
    loss = _loss(one)
    loss.backward()
    found = sum(p.grad * along for p, along in zip(parameters, direction, strict=True))
    bound = 1e-8 * (1.0 + abs(slope)) + abs(coarse - slope)  # where it bends sharply, both steps are too long
    require(abs(found - slope) <= bound, "backward gives", found, "and differences", slope, "±", bound)
    world.counts["slopes against differences"] += 1


def any_model(world: World) -> Trained:
    """Return one of those there are."""
    if not world.models:
        make(world)
    return world.rng.choice(world.models)

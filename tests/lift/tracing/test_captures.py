"""What a lifted function reads beside its arguments is what it is at each call."""

import array
import functools
import math
import operator
import pickle
import sys
import types
import warnings
from collections import ChainMap, OrderedDict, UserDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, grad, hessian, jacobian, nn, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import Program, lift
from tinygrad_lite.lift.tracing.captures import Captures

RATE = 1.0
SHADOWED = types.ModuleType("settings_of_the_user")
SHADOWED.RATE = 1.0
sys.modules["settings_of_the_user"] = SHADOWED
Pair = namedtuple("Pair", "a b")  # what users write


def set_rate():
    global RATE
    RATE += 1.0


def by_rate(x):
    return RATE * x


class Scaled:
    shared = 1.0

    def __init__(self):
        self.rate = 1.0
        self.parts = [1.0, 2.0]
        self.unread = 0.0

    def __call__(self, x):
        return self.inner(x)

    def inner(self, x):
        return self.rate * x * self.shared

    @property
    def twice(self):
        return 2.0 * self.rate

    @classmethod
    def of_class(cls, x):
        return cls.shared * x

    @staticmethod
    def of_none(x):
        return RATE * x

    def __getitem__(self, i):
        return self.parts[i]


class Slotted:
    __slots__ = ("__own", "rate")

    def __init__(self):
        self.rate = self.__own = 1.0

    def of_own(self, x):
        return self.__own * x

    def step(self):
        self.__own += 1.0


@dataclass
class Settings:
    rate: float = 1.0
    rates: list = field(default_factory=lambda: [1.0, 2.0])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.MLP(1, [2, 1], seed=0)
        self.settings = Settings()

    def forward(self, x):
        return self.layer([x]) * RATE * self.settings.rate


def with_default(x, rate=np.ones(2)):  # noqa: B008  # the test changes it
    return x * rate.sum()


def with_keyword(x, *, rate=1.0):
    return x * rate


def with_import(x):
    import settings_of_the_user

    return settings_of_the_user.RATE * x


def reading(items, key):
    return lambda x: items[key] * x


def added(thing, name):
    return lambda: setattr(thing, name, getattr(thing, name) + 1.0)


def stepped(items, key):
    return lambda: operator.setitem(items, key, items[key] + 1.0)


def replaced(items, key, make):
    return lambda: operator.setitem(items, key, make(items[key]))


def cases():
    """Functions of one number, and what changes something that they read."""
    yield "a global", by_rate, set_rate
    yield "a global of a function that is called", lambda x: by_rate(x) + x, set_rate
    yield "a global in a comprehension", lambda x: sum([RATE * x for _ in range(2)]), set_rate
    yield "a global in a function inside", lambda x: (lambda y: RATE * y)(x), set_rate
    cell = 1.0

    def step():
        nonlocal cell
        cell += 1.0

    def reads(x):
        return cell * x * x

    yield "a variable around", reads, step
    yield "value_and_grad", value_and_grad(reads), step
    yield "grad of grad", grad(grad(reads)), step
    yield "hessian", hessian(reads), step
    yield "jacobian", jacobian(reads), step
    yield "a lifted function inside", (lambda inner: lambda x: inner(x) + 1.0)(lift(by_rate)), set_rate
    wrapped = functools.wraps(by_rate)(lambda x: by_rate(x) * cell)
    yield "a decorated function", wrapped, step
    d = {"rate": 1.0, "deep": {"rates": [1.0, 2.0]}}
    yield "a dict", lambda x: d["rate"] * x, stepped(d, "rate")
    yield "a nested dict", lambda x: d["deep"]["rates"][1] * x, stepped(d["deep"]["rates"], 1)
    yield (
        "a key more",
        lambda x: sum(v for v in d.values() if isinstance(v, float)) * x,
        lambda: d.update({len(d): 1.0}),
    )
    for kind in (OrderedDict, functools.partial(defaultdict, float), UserDict, ChainMap):
        other = kind({"rate": 1.0})
        yield f"a {type(other).__name__}", reading(other, "rate"), stepped(other, "rate")
    a = np.ones(3)
    yield "an array", lambda x: (a * x).sum(), stepped(a, 1)
    yield "an array of no axes", (lambda a: lambda x: a * x)(z := np.array(1.0)), lambda: z.__iadd__(1.0)
    m = np.ma.masked_array([1.0, 2.0, 3.0], [0, 0, 1])
    yield "a mask", lambda x: float(m.sum()) * x, lambda: m.mask.__setitem__(0, not m.mask[0])
    o = np.array([1.0, [2.0]], dtype=object)
    yield "an array of objects", lambda x: o[1][0] * x, stepped(o[1], 0)
    scalars = [np.float64(1.0), np.float32(2.0)]
    yield "a scalar of NumPy", lambda x: scalars[0] * x, replaced(scalars, 0, lambda s: s + np.float64(1.0))
    growing = [1.0]
    yield "a list that grows", lambda x: sum(growing) * x, lambda: growing.append(2.0)
    for items in ([1.0, 2.0], deque([1.0, 2.0]), array.array("d", [1.0, 2.0])):
        yield f"a {type(items).__name__}", reading(items, 1), stepped(items, 1)
    s = {1.0}
    yield "a set", lambda x: sum(s) * x, lambda: s.add(len(s) + 1.0)
    held = [Pair(1.0, 2.0), Fraction(1, 2), Settings(), by_rate]
    yield "a named tuple", lambda x: held[0].a * x, replaced(held, 0, lambda p: p._replace(a=p.a + 1.0))
    yield "a fraction", lambda x: float(held[1]) * x, replaced(held, 1, lambda f: f + 1)
    yield "a dataclass", lambda x: held[2].rate * x, added(held[2], "rate")
    yield "a list of a dataclass", lambda x: held[2].rates[1] * x, stepped(held[2].rates, 1)
    yield "a function in a list", lambda x: held[3](x), set_rate
    c = Scaled()
    yield "a bound method", c.inner, added(c, "rate")
    yield "a callable object", c, added(c, "rate")
    yield "an attribute", lambda x: c.rate * x, added(c, "rate")
    yield "an object that is called", lambda x: c(x), added(c, "rate")
    yield "a property", lambda x: c.twice * x, added(c, "rate")
    yield "an operator of a class", lambda x: c[1] * x, stepped(c.parts, 1)
    yield "a class method", Scaled.of_class, added(Scaled, "shared")
    yield "a static method", c.of_none, set_rate
    yield "an attribute of a class", lambda x: Scaled.shared * x, added(Scaled, "shared")
    yield "a class's attribute of an object", c.inner, added(Scaled, "shared")
    yield "one that hides that of its class", Scaled().inner, added(Scaled, "shared")
    yield "a made object", lambda x: Scaled()(x), added(Scaled, "shared")
    yield "getattr", lambda x: getattr(c, "rate") * x, added(c, "rate")  # noqa: B009  # what users write
    yield "getattr of a name that is made", lambda x: getattr(c, "ra" + "te"[:2]) * x, added(c, "rate")
    yield "vars", lambda x: vars(c)["rate"] * x, added(c, "rate")
    yield "slots", (lambda t: lambda x: t.rate * x)(t := Slotted()), added(t, "rate")
    yield "a slot of a class's own", t.of_own, t.step
    yield "a namespace", (lambda t: lambda x: t.rate * x)(n := types.SimpleNamespace(rate=1.0)), added(n, "rate")
    yield "a module", lambda x: SHADOWED.RATE * x, added(SHADOWED, "RATE")
    yield "an imported module", with_import, added(SHADOWED, "RATE")
    default = with_default.__defaults__[0]
    yield "a default", with_default, stepped(default, 0)
    yield "a default of a function that is called", lambda x: with_default(x), stepped(default, 0)

    def other_keyword():
        with_keyword.__kwdefaults__ = {"rate": with_keyword.__kwdefaults__["rate"] + 1.0}

    yield "a default by name", with_keyword, other_keyword
    rates = [1.0]
    yield "a partial", functools.partial(lambda rates, x: rates[0] * x, rates), stepped(rates, 0)
    yield "a built-in method", (lambda get: lambda x: get("rate") * x)(d.get), stepped(d, "rate")
    yield "np.vectorize", (lambda v: lambda x: v(np.array([x], object))[0])(np.vectorize(by_rate, "O")), set_rate
    function = types.FunctionType(by_rate.__code__, globals())

    def other_code():
        function.__code__ = (
            (lambda x: RATE * x * x).__code__ if function.__code__ is by_rate.__code__ else by_rate.__code__
        )

    yield "the code of a function", lambda x: function(x), other_code
    w = [Value(1.0), Value(2.0)]
    yield "a Value", lambda x: w[1] * x + w[0], replaced(w, 1, lambda v: Value(v.data + 1.0))
    yield "a computed Value", (lambda z: lambda x: z[0] * x)(y := [Value(2.0) * 3.0]), replaced(y, 0, lambda v: v * v)
    model = nn.MLP(1, [2, 1], seed=0)
    yield "a model", lambda x: model([x]), lambda: [setattr(p, "data", p.data + 0.1) for p in model.parameters()]
    net = Net()
    yield "a global of a module", lambda x: net(x), set_rate
    yield "an object of a module", lambda x: net(x), added(net.settings, "rate")
    yield "an argument's global", functools.partial(lambda n, x: n(x), Net()), set_rate


CASES = list(cases())


def number_of(result):
    if isinstance(result, (list, tuple)):
        return [number_of(item) for item in result]
    return result.data if isinstance(result, Value) else result


@pytest.mark.parametrize(("function", "change"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_a_function_reads_beside_its_arguments_may_change_between_calls(function, change):
    lifted = lift(function)
    for _ in range(3):
        np.testing.assert_allclose(lifted(2.0), number_of(function(Value(2.0))), rtol=1e-12)
        change()


@pytest.mark.parametrize(
    ("argument", "change"),
    [
        (by_rate, set_rate),
        (net := Net(), set_rate),
        (net, added(net.settings, "rate")),
        (scaled := Scaled(), added(scaled, "rate")),
    ],
    ids=["a function", "a module's global", "a module's object", "a callable object"],
)
def test_what_an_argument_reads_may_change_between_calls(argument, change):
    lifted = lift(lambda f, x: f(x))
    for _ in range(3):
        np.testing.assert_allclose(lifted(argument, 2.0), number_of(argument(Value(2.0))), rtol=1e-12)
        change()


def test_a_static_object_may_change_between_calls():
    settings = Settings()
    lifted = lift(lambda s, x: s.rate * x, static="s")
    for rate in (1.0, 2.0):
        settings.rate = rate
        assert lifted(settings, 3.0) == 3.0 * rate


def test_zero_and_minus_zero_are_two_numbers():
    rates = [0.0]
    lifted = lift(lambda x: tg.atan2(rates[0], -1.0 - x * x))
    assert lifted(1.0) == math.pi
    rates[0] = -0.0
    assert lifted(1.0) == -math.pi


@pytest.mark.parametrize("size", [3, 100])
@pytest.mark.parametrize("first", [0.0, 1.0])
def test_any_number_of_a_list_counts_also_the_sign_of_a_zero(size, first):
    rates = [first, *map(float, range(2, size + 1))]
    lifted = lift(lambda x: tg.atan2(rates[0] * tg.sum([r * x for r in rates[1:]]), x))
    for place, number in ((size - 1, 7.0), (0, -first), (0, 2.0)):
        rates[place] = number
        assert math.isclose(lifted(-1.0), math.atan2(-rates[0] * sum(rates[1:]), -1.0), rel_tol=1e-12)
    rates.append(1.0)
    assert math.isclose(lifted(-1.0), math.atan2(-rates[0] * sum(rates[1:]), -1.0), rel_tol=1e-12)


def test_a_global_that_is_gone_raises_as_it_does_in_the_function():
    names = {"rate": 2.0, "__name__": "__main__"}
    exec("def f(x): return rate * x", names)
    lifted = lift(names["f"])
    assert lifted(3.0) == 6.0
    del names["rate"]
    with pytest.raises(NameError, match="rate"):
        lifted(3.0)


def test_a_global_that_hides_a_function_of_python_counts():
    names = {"__name__": "__main__"}
    exec("def f(x): return sum([x, x])", names)
    lifted = lift(names["f"])
    assert lifted(3.0) == 6.0
    names["sum"] = lambda xs: 10.0 * xs[0]
    assert lifted(3.0) == 30.0


def test_a_variable_around_that_is_filled_later_counts():
    def made():
        def f(x):
            try:
                return later * x
            except NameError:
                return x

        lifted = lift(f)
        first = lifted(3.0)
        later = 2.0
        return first, lifted(3.0)

    assert made() == (3.0, 6.0)


def test_numbers_that_come_back_find_their_program():
    rate = 0.1
    lifted = lift(lambda x: rate * x)
    for rate in (0.1, 0.2) * 5:  # the function reads it
        assert lifted(3.0) == rate * 3.0
    assert len(lifted.programs) == 2


def test_numbers_that_always_change_are_better_given_as_arguments():
    rate = 0.0
    lifted = lift(lambda x: rate * x)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for rate in map(float, range(20)):  # the function reads it
            assert lifted(3.0) == rate * 3.0
    [warning] = found
    assert "rate was 7.0 (now 8.0). Give it as an argument" in str(warning.message)
    assert warning.filename == __file__


def test_one_program_serves_all_values_that_are_put_in_one_place():
    weights = [Value(0.5), Value(2.0)]
    lifted = lift(value_and_grad(lambda x: (weights[0] * x + weights[1]) ** 2))
    for step in range(4):
        weights[0] = Value(float(step))
        assert lifted(3.0) == ((3.0 * step + 2.0) ** 2, 2.0 * step * (3.0 * step + 2.0))
    weights[1].data = 5.0
    assert lifted(3.0)[0] == 14.0**2
    assert len(lifted.programs) == 1


def test_two_values_that_become_one_are_another_program():
    weights = [Value(2.0), Value(3.0)]
    lifted = lift(lambda x: tg.gradient(weights[0] * weights[1] * x, weights[0], create_graph=True))
    assert lifted(1.0) == 3.0
    weights[1] = weights[0]
    assert lifted(1.0) == 4.0


def test_a_value_from_which_another_was_computed_keeps_its_part_in_it():
    weights = [Value(2.0)]
    computed = weights[0] * 3.0
    lifted = lift(lambda x: computed * x + weights[0])
    assert lifted(1.0) == 8.0
    weights[0] = Value(10.0)
    assert lifted(1.0) == 16.0


def test_the_numbers_of_frozen_values_are_read_too():
    power = Value(2.0)
    power.requires_grad = False
    lifted = lift(grad(lambda x: x**power))
    assert lifted(3.0) == 6.0
    power.data = 3.0
    assert lifted(3.0) == 27.0


def test_what_the_function_writes_itself_makes_no_new_program():
    calls, seen = [0], []

    def f(x):
        calls[0] += 1
        seen.append(x)
        return 2.0 * x

    lifted = lift(f)
    for _ in range(4):
        assert lifted(1.0) == 2.0
        assert list(lifted(np.ones(2))) == [2.0, 2.0]
    assert len(lifted.programs) == 2


def test_what_the_function_keeps_counts_once_somebody_else_changes_it():
    kept, rate = {}, 2.0

    def f(x):
        if not kept:
            kept["rate"] = rate
        return kept["rate"] * x

    lifted = lift(f)
    assert lifted(1.0) == 2.0
    kept["rate"] = 5.0
    assert lifted(1.0) == 5.0
    kept.clear()
    rate = 7.0
    assert lifted(1.0) == 7.0


def test_what_the_function_does_not_read_makes_no_new_program():
    c = Scaled()
    other = {"rate": 1.0}
    lifted = lift(c.inner)
    for _ in range(3):
        lifted(2.0)
        c.unread += 1.0
        c.new = [c.unread]
        other["rate"] += 1.0
    assert len(lifted.programs) == 1


def test_equal_numbers_make_no_new_program():
    numbers = {"list": [1.0, 2.0], "array": np.ones(2), "text": "a"}
    lifted = lift(lambda x: numbers["list"][0] * x + numbers["array"].sum())
    assert lifted(2.0) == 4.0
    numbers["list"], numbers["array"] = [float("1"), float("2")], np.ones(2)
    assert lifted(2.0) == 4.0
    assert len(lifted.programs) == 1


def test_a_program_is_for_what_its_function_read_and_says_so():
    rate = 2.0
    program = lift(lambda x: rate * x).program_for(1.0)
    assert program(3.0) == 6.0
    rate = 4.0
    with pytest.raises(LiftError, match=r"this program was made when rate was 2.0 \(now 4.0\)"):
        program(3.0)
    rate = float("2")
    assert program(3.0) == 6.0


def test_a_program_reads_values_in_their_places():
    weight = Value(2.0)
    program = lift(lambda x: weight * x).program_for(1.0)
    weight = Value(4.0)
    assert program(3.0) == 12.0
    weight.requires_grad = False
    with pytest.raises(LiftError, match=r"weight was a Value \(now a frozen Value"):
        program(3.0)


def test_a_saved_program_has_the_numbers_with_which_it_was_saved():
    rate, weight = 2.0, Value(5.0)
    program = lift(lambda x: rate * x + weight).program_for(1.0)
    stored, copied = program.to_bytes(), pickle.dumps(program)
    rate, weight = 3.0, Value(6.0)
    assert Program.from_bytes(stored)(1.0) == 7.0
    assert pickle.loads(copied)(1.0) == 7.0


def test_an_array_that_cannot_change_is_looked_at_by_identity_alone():
    numbers = np.ones(3)
    numbers.setflags(write=False)
    lifted = lift(lambda x: (numbers * x).sum())
    assert lifted(2.0) == 6.0
    assert lifted.last.snapshot.parts["numbers"].thing is numbers
    numbers.setflags(write=True)
    numbers[0] = 2.0
    assert lifted(2.0) == 8.0


def test_many_names_are_looked_at_as_few_are():
    names = {"__name__": "__main__", **{f"a{i}": float(i) for i in range(60)}}
    exec("def f(x): return x * (" + " + ".join(f"a{i}" for i in range(60)) + ")", names)
    lifted = lift(names["f"])
    assert lifted(1.0) == 1770.0
    names["a59"] = 0.0
    assert lifted(1.0) == 1711.0
    assert len(lifted.programs) == 2
    del names["a58"]
    assert not lifted.last.is_current()


@pytest.mark.parametrize("part", ["f", "rate"])
def test_differences_are_told_by_name(part):
    numbers = {"rate": 1.0, "f": math.exp}
    captures = Captures()
    function = lambda x: numbers["rate"] * numbers["f"](x)  # noqa: E731  # one that reads
    before = captures.take_snapshot([function])
    numbers[part] = {"rate": 2.0, "f": math.log}[part]
    told = captures.describe_changes(before, captures.take_snapshot([function]))
    assert told.startswith(f"numbers['{part}'] was ")


def test_training_notices_what_the_loss_reads_even_where_its_first_samples_do_not_tell():
    x = np.linspace(-1.0, 1.0, 12)[:, None].tolist()
    y = [0.0] * 6 + [1.0] * 6

    def losses(engine):
        weights = [1.0, 1.0]

        def loss(outputs, targets):
            return tg.mean([(weights[1] * t + 1.0) * (o - t) ** 2 for o, t in zip(outputs, targets, strict=True)])

        def heavier(*args, **kwargs):
            weights[1] *= 2.0

        model = nn.MLP(1, [2, 1], seed=0)
        optimizer = nn.SGD(model.parameters(), lr=0.1)
        settings = {"epochs": 3, "batch_size": 12, "shuffle": False, "callbacks": [heavier], "progress": False}
        return nn.fit(model, loss, (x, y), optimizer, engine=engine, **settings)["loss"]

    np.testing.assert_allclose(losses("numpy"), losses("eager"), rtol=1e-9)


def test_arrays_of_other_libraries_are_looked_at():
    torch = pytest.importorskip("torch")
    tensor = torch.ones(2, dtype=torch.float64)
    lifted = lift(lambda x: float(tensor.sum()) * x)
    assert lifted(3.0) == 6.0
    tensor[0] = 5.0
    assert lifted(3.0) == 18.0


def test_no_warning_where_nothing_changes():
    lifted = lift(by_rate)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            lifted(1.0)
            lifted(np.ones(1))

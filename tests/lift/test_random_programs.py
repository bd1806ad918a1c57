"""Random functions, lifted: no program may differ from its function.

``python benchmarks/lift_programs.py`` draws more.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from random_programs import RandomProgram, WrongProgramError, compared, random_programs, stable
from transform_chains import transform_chains

from tinygrad_lite import Value, maximum, sqrt
from tinygrad_lite.lift.lifting import lift

_DRAWN = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


def _holds(drawn: RandomProgram) -> None:
    note(repr(drawn))
    compared(drawn)


@_DRAWN
@given(random_programs(transforms=False, batches=False))
def test_random_programs_are_their_functions(drawn):
    _holds(drawn)


@_DRAWN
@given(random_programs(statements=3, batches=False))
def test_random_programs_with_derivatives_are_their_functions(drawn):
    _holds(drawn)


@_DRAWN
@given(random_programs(statements=3))
def test_random_programs_over_a_batch_are_their_functions(drawn):
    _holds(drawn)


@settings(_DRAWN, max_examples=_DRAWN.max_examples // 8)
@given(transform_chains(most=2))
def test_derivatives_of_one_number_of_a_chain_of_transforms_are_their_functions(drawn):
    _holds(drawn)


def test_a_program_that_is_not_its_function_is_found(monkeypatch):
    drawn = RandomProgram("def program(x):\n    return [x * x, x]\n", [(1.0,), (2.0,), (3.0,)])
    assert compared(drawn) is not None

    def slightly_wrong(f, **options):
        return lift(lambda x: [x * x * 1.00000001, x], **options)

    monkeypatch.setattr("random_programs.lift", slightly_wrong)
    with pytest.raises(WrongProgramError, match="Difference"):
        compared(drawn)


def test_numbers_beside_a_kink_or_an_edge_are_not_stable():
    x, y = Value(1.0), Value(1.0)
    assert not stable([maximum(x, y)], set())
    assert not stable([sqrt(x - y)], set())
    assert not stable([x - y], set())
    assert stable([maximum(x, y + 1.0)], set())

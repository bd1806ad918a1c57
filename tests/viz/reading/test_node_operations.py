"""Pictures of operations that a user defined: they have what those of the table have."""

from __future__ import annotations

import pytest

from tinygrad_lite import Value, define, log, viz
from tinygrad_lite import sum as total
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.viz.output.structure import structure
from tinygrad_lite.viz.reading.node_operations import operation_of, symbol
from tinygrad_lite.viz.reading.shape_groups import places

CUBE = define("cube of my own", lambda x: x**3, lambda m, x, z: 3.0 * x**2, symbol="x³", doc="The third power.")
GREATEST_OF_MANY = define(
    "greatest of many", max, lambda m, xs, z: [m.equal(x, z) for x in xs], arity=NARY, symbol="greatest"
)
INVERSE = define("my_inverse", lambda x: 1.0 / x, lambda m, x, z: -z * z)


def cubes(count: int) -> Value:
    """A graph with as many cubes as that, differentiated."""
    root: Value = total([CUBE(Value(float(i), label=f"x{i}")) for i in range(count)])
    root.backward()
    return root


def test_the_record_is_that_of_the_node_though_another_has_its_name_now() -> None:
    first = define("twice defined", lambda x: x, lambda m, x, z: 1.0, symbol="first")(Value(1.0))
    second = define("twice defined", lambda x: -x, lambda m, x, z: -1.0, symbol="second")(Value(1.0))
    assert [symbol(first), symbol(second)] == ["first", "second"]
    assert operation_of(second).name == "twice defined"
    assert symbol(Value(1.0)) == ""


@pytest.mark.parametrize("count", [2, 60], ids=["whole", "in groups"])
def test_a_graph_is_drawn_with_the_symbol_and_what_it_is(count: int) -> None:
    source = viz.draw(cubes(count)).source
    assert "x³" in source
    assert "cube of my own: The third power." in source


def test_a_tree_and_the_structure_have_its_symbol() -> None:
    root = cubes(2)
    assert "x³" in str(viz.tree(root))
    assert [node["symbol"] for node in structure(root)["nodes"]].count("x³") == 2


def test_operands_of_one_that_takes_any_number_are_one_argument() -> None:
    node = GREATEST_OF_MANY([Value(1.0), Value(2.0), Value(3.0)])
    assert list(places(node)) == [0, 0, 0]
    node.backward()
    assert "greatest" in viz.draw(node).source


def test_where_it_cannot_be_evaluated_the_picture_says_why() -> None:
    x = Value(2.0, label="x")
    root = log(INVERSE(x))
    x.data = 0.0
    with pytest.raises(ZeroDivisionError):
        root.forward()
    assert "ZeroDivisionError" in viz.draw(root).source


def test_the_graph_at_which_it_raised_is_drawn() -> None:
    x = Value(0.0, label="x")
    with pytest.raises(ZeroDivisionError) as caught:
        INVERSE(x)
    assert "my_inverse" in viz.draw_error(caught.value).source

"""Nodes are called what the code that made them calls them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_lite import Value
from tinygrad_lite.nn import MLP, Linear, Neuron, Sequential, Tanh
from tinygrad_lite.viz.reading.names import enclosing, find_names


def names_of(variables: Any) -> list[str]:
    return sorted(find_names(variables).values.values())


def test_a_name_is_the_expression_that_gives_the_value() -> None:
    model = MLP(2, [2, 1], seed=0)
    variables: dict[str, Any] = {
        "w": Value(1.0),
        "xs": [Value(2.0), (Value(3.0),)],
        "table": {"a b": Value(4.0), 7: Value(5.0)},
        "matrix": np.array([[Value(6.0), Value(7.0)]], dtype=object),
        "model": model,
        "net": Sequential({"first": Linear(1, 1), "second": Tanh()}),
        "stack": Sequential(Linear(1, 1)),
    }
    found = find_names(variables)
    assert len(found.values) == 7 + len(model.parameters()) + 4
    for key, name in found.values.items():
        assert id(eval(name, {}, dict(variables))) == key
    for path, module in found.modules.items():
        assert eval(path, {}, dict(variables)) is module


def test_a_parameter_is_named_after_its_module_first_then_its_variable_then_its_list() -> None:
    neuron, x = Neuron(1), Value(1.0)
    assert names_of({"p": neuron.w[0], "everything": [x, *neuron.parameters()], "x": x, "neuron": neuron}) == [
        "neuron.b",
        "neuron.w[0]",
        "x",
    ]


def test_a_named_tuple_is_read_by_its_fields() -> None:
    class Pair(NamedTuple):
        left: Value
        right: Value

    assert names_of({"pair": Pair(Value(1.0), Value(2.0))}) == ["pair.left", "pair.right"]


def test_objects_with_parameters_are_modules_as_in_micrograd() -> None:
    class Cell:
        def __init__(self) -> None:
            self.w = [Value(1.0)]

        def parameters(self) -> list[Value]:
            return self.w

    found = find_names({"cells": [Cell(), Cell()]})
    assert list(found.modules) == ["cells[0]", "cells[1]"]
    assert sorted(found.values.values()) == ["cells[0].w[0]", "cells[1].w[0]"]


def test_what_notebooks_add_and_private_names_are_passed_over() -> None:
    assert names_of({"_": Value(1.0), "__x": Value(2.0), "Out": {1: Value(3.0)}, "x": Value(4.0)}) == ["x"]


def test_a_container_that_holds_itself_is_read_once() -> None:
    loop: list[Any] = [Value(1.0)]
    loop.append(loop)
    assert names_of({"loop": loop}) == ["loop[0]"]


def test_containers_nested_deeply_need_no_recursion() -> None:
    deep: Any = Value(1.0)
    for _ in range(5000):
        deep = [deep]
    assert names_of({"deep": deep}) == ["deep" + "[0]" * 5000]


def test_a_module_alone_is_called_model() -> None:
    assert list(find_names(Linear(1, 1)).modules) == ["model"]


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(TypeError, match=r"mapping such as locals\(\).*not as list"):
        find_names([Value(1.0)])


def test_the_enclosing_module_may_be_some_lists_away() -> None:
    modules = {"net": ..., "net.blocks[0][1]": ...}
    assert enclosing("net.blocks[0][1]", modules) == "net"
    assert enclosing("net", modules) == ""

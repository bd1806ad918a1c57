"""Pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from tinygrad_lite import Value, nn, viz

a = Value(2.0, label="a")
y = a.tanh()


def test_pictures(tmp_path: Path) -> None:
    assert_type(viz.save(y, tmp_path / "y.dot"), Path)
    assert_type(viz.render(y, "dot"), bytes)
    assert_type(viz.draw(y).source, Any)  # graphviz has no types
    assert_type(viz.tree(y), viz.Tree)
    assert_type(viz.structure(y), dict[str, Any])
    assert_type(viz.derive(y, a), viz.Derivation)
    assert_type(viz.network(nn.MLP(1, [1]), [2.0]), viz.NetworkPicture)
    assert_type(viz.network(nn.MLP(1, [1])).save(tmp_path / "network.svg"), Path)

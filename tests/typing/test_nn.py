"""Models, optimisers and training."""

from __future__ import annotations

from typing import Any, assert_type

from tinygrad_lite import Value, nn

model = nn.MLP(2, [3, 1], seed=0)
inputs, targets = nn.xor()


class Halved(nn.Module):
    def __init__(self) -> None:
        self.inner = nn.Linear(2, 1)

    def forward(self, xs: list[float]) -> Any:
        return self.inner(xs)[0] / 2


def test_modules() -> None:
    assert_type(model, nn.MLP)
    assert_type(model.parameters(), list[Value])
    assert_type(model.state_dict(), dict[str, Any])
    assert_type(model.eval(), nn.MLP)
    assert_type(model.train(), nn.MLP)
    assert_type(Halved().eval(), Halved)
    assert_type(Halved().parameters(), list[Value])
    assert_type(Halved()([1.0, 2.0]), Any)


def test_losses() -> None:
    assert_type(nn.mse_loss([Value(1.0)], [2.0]), Any)  # a float if it is given floats


def test_optimizers_and_schedules() -> None:
    optimizer = nn.SGD(model.parameters(), lr=0.1, momentum=0.9)
    assert_type(optimizer, nn.SGD)
    assert_type(optimizer.state_dict(), dict[str, Any])
    assert_type(nn.AdamW(model.parameters()), nn.AdamW)


def test_fit() -> None:
    optimizer = nn.Adam(model.parameters(), lr=0.01)
    history = nn.fit(model, nn.binary_cross_entropy_with_logits, (inputs, targets), optimizer, epochs=1, progress=False)
    assert_type(history, nn.History)
    assert_type(history["loss"], list[float])

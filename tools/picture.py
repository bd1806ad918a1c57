"""Draws the picture of the README, ``docs/xor.svg``: ``make picture``.

An XOR network early in its training, and its loss on one of the four points.
"""

from pathlib import Path

from tinygrad_lite import nn, viz

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    model = nn.MLP(2, [2, 1], activation="tanh", seed=3)
    names = iter(["w11", "w12", "b1", "w21", "w22", "b2", "v1", "v2", "c"])
    for parameter in model.parameters():
        parameter.label = next(names)
    logit = model([1, 0])
    logit.label = "logit"
    loss = nn.binary_cross_entropy_with_logits(logit, 1)
    loss.label = "loss"
    loss.backward()
    print(f"wrote {viz.save(loss, ROOT / 'docs' / 'xor.svg').relative_to(ROOT)}")


if __name__ == "__main__":
    main()

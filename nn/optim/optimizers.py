"""How parameters follow their gradients: gradient descent, RMSprop, Adam and its relatives, Lion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tinygrad_lite.nn.base.hyperparameters import AT_LEAST_ZERO, FRACTION, PROPORTION, Check, boolean, pair_of
from tinygrad_lite.nn.optim.optimizer import Optimizer, Parameters, SharedHyperparameter


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted: b ← μ·b + grad, p ← p − lr·b.

    These are PyTorch's formulas. Momentum is that of Polyak (1964, "Some methods of speeding up the convergence of
    iteration methods"), with lr outside of b as in Sutskever et al. (2013, "On the importance of initialization and
    momentum in deep learning"), who also give the form of Nesterov's (1983, "A method for solving the convex
    programming problem with convergence rate O(1/k²)"), p ← p − lr·(grad + μ·b).

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0.
        momentum: μ, in [0, 1).
        dampening: The gradient counts 1 − dampening times in b, except in the first step.
        weight_decay: λ ≥ 0; λ·p is added to the gradient, as λ·p²/2 in the loss would do.
        nesterov: Whether to take Nesterov's form.
        maximize: Whether to climb instead.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range, or
            ``nesterov`` comes without momentum or with dampening.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite import Value
    >>> x = Value(3.0)
    >>> optimizer = SGD([x], lr=0.25)
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> x.data
    1.5
    """

    checks: ClassVar[Mapping[str, Check]] = {
        "lr": AT_LEAST_ZERO,
        "momentum": FRACTION,
        "dampening": PROPORTION,
        "weight_decay": AT_LEAST_ZERO,
        "nesterov": boolean,
        "maximize": boolean,
    }
    numbers: ClassVar[Mapping[str, float]] = {"momentum_buffer": 0.0}

    momentum = SharedHyperparameter()

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.001,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def check_together(self, group: Mapping[str, Any]) -> None:
        """Nesterov's form needs momentum without dampening."""
        if group["nesterov"] and (group["momentum"] == 0.0 or group["dampening"] != 0.0):
            raise ValueError("nesterov=True needs a momentum above 0, and a dampening of 0")

    @staticmethod
    def update(
        m: Any, parameter: Any, gradient: Any, state: Mapping[str, Any], group: Mapping[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Compute the formula of the class; see :meth:`Optimizer.update`."""
        gradient = add_penalty(parameter, gradient, group)
        momentum, dampening = group["momentum"], group["dampening"]
        if not momentum:
            return parameter - group["lr"] * gradient, {}
        velocity = momentum * state["momentum_buffer"] + ((1.0 - dampening) * gradient if dampening else gradient)
        if dampening:
            velocity = m.where(m.equal(step, 1.0), gradient, velocity)
        direction = gradient + momentum * velocity if group["nesterov"] else velocity
        return parameter - group["lr"] * direction, {"momentum_buffer": velocity}


class RMSprop(Optimizer):
    """The gradient over the root of its running mean square: v ← α·v + (1 − α)·grad², p ← p − lr·grad/(√v + eps).

    After Tieleman & Hinton (2012, "Lecture 6.5 - RMSprop", Coursera). With ``centered``, the square of the running
    mean gradient is taken off v, which leaves the variance (Graves 2013, "Generating sequences with recurrent neural
    networks", equations 38 to 41); where rounding makes that negative it is 0 here, and nan in PyTorch.

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0.
        alpha: α in [0, 1], the weight of the past in the running means.
        eps: Keeps the divisor from 0.
        weight_decay: λ ≥ 0; λ·p is added to the gradient.
        momentum: μ in [0, 1); b ← μ·b + grad/(√v + eps), p ← p − lr·b.
        centered: Whether to divide by the standard deviation of the gradient.
        maximize: Whether to climb instead.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite import Value
    >>> x = Value(3.0)
    >>> optimizer = RMSprop([x], lr=0.01, alpha=0.75)
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> round(x.data, 6)
    2.98
    """

    checks: ClassVar[Mapping[str, Check]] = {
        "lr": AT_LEAST_ZERO,
        "alpha": PROPORTION,
        "eps": AT_LEAST_ZERO,
        "weight_decay": AT_LEAST_ZERO,
        "momentum": FRACTION,
        "centered": boolean,
        "maximize": boolean,
    }
    numbers: ClassVar[Mapping[str, float]] = {"square_avg": 0.0, "grad_avg": 0.0, "momentum_buffer": 0.0}

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
            },
        )

    @staticmethod
    def update(
        m: Any, parameter: Any, gradient: Any, state: Mapping[str, Any], group: Mapping[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Compute the formula of the class; see :meth:`Optimizer.update`."""
        gradient = add_penalty(parameter, gradient, group)
        square = running_mean(group["alpha"], state["square_avg"], gradient * gradient)
        new = {"square_avg": square}
        if group["centered"]:
            mean = running_mean(group["alpha"], state["grad_avg"], gradient)
            new["grad_avg"] = mean
            square = m.maximum(square - mean * mean, 0.0)
        direction = gradient / (root(m, square) + group["eps"])
        if group["momentum"]:
            direction = group["momentum"] * state["momentum_buffer"] + direction
            new["momentum_buffer"] = direction
        return parameter - group["lr"] * direction, new


class Adam(Optimizer):
    """The running mean gradient over the root of the running mean square, both made up for beginning at 0.

    m ← β₁·m + (1 − β₁)·grad, v ← β₂·v + (1 − β₂)·grad², p ← p − lr·m̂/(√v̂ + eps) with m̂ = m/(1 − β₁ᵗ) and
    v̂ = v/(1 − β₂ᵗ) in step t (Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1). With
    ``amsgrad``, the greatest v so far stands in the place of v (Reddi et al. 2018, "On the convergence of Adam and
    beyond", algorithm 2), made up for in the same way, as in PyTorch.

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0.
        betas: β₁ and β₂ in [0, 1).
        eps: Keeps the divisor from 0.
        weight_decay: λ ≥ 0; λ·p is added to the gradient. (:class:`AdamW` does what is mostly wanted.)
        amsgrad: Whether v may not fall.
        maximize: Whether to climb instead.
        decoupled_weight_decay: Whether the weights decay beside the gradient, as in :class:`AdamW`.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite import Value
    >>> x = Value(3.0)
    >>> optimizer = Adam([x], lr=0.1)
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> round(x.data, 6)
    2.9
    """

    checks: ClassVar[Mapping[str, Check]] = {
        "lr": AT_LEAST_ZERO,
        "betas": pair_of(FRACTION, FRACTION),
        "eps": AT_LEAST_ZERO,
        "weight_decay": AT_LEAST_ZERO,
        "amsgrad": boolean,
        "maximize": boolean,
        "decoupled_weight_decay": boolean,
    }
    numbers: ClassVar[Mapping[str, float]] = {"exp_avg": 0.0, "exp_avg_sq": 0.0, "max_exp_avg_sq": 0.0}

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    @staticmethod
    def update(
        m: Any, parameter: Any, gradient: Any, state: Mapping[str, Any], group: Mapping[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Compute the formula of the class; see :meth:`Optimizer.update`."""
        if group["decoupled_weight_decay"]:
            parameter = decay_weights(parameter, group)
            gradient = -gradient if group["maximize"] else gradient
        else:
            gradient = add_penalty(parameter, gradient, group)
        beta1, beta2 = group["betas"]
        mean = running_mean(beta1, state["exp_avg"], gradient)
        square = running_mean(beta2, state["exp_avg_sq"], gradient * gradient)
        new = {"exp_avg": mean, "exp_avg_sq": square}
        if group["amsgrad"]:
            square = m.maximum(state["max_exp_avg_sq"], square)
            new["max_exp_avg_sq"] = square
        divisor = root(m, square) / m.sqrt(1.0 - beta2**step) + group["eps"]
        return parameter - (group["lr"] / (1.0 - beta1**step)) * (mean / divisor), new


class AdamW(Adam):
    """Adam whose weights decay beside the gradient: p ← (1 − lr·λ)·p, then the step of :class:`Adam`.

    After Loshchilov & Hutter (2019, "Decoupled weight decay regularization", algorithm 2).

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0.
        betas: β₁ and β₂ in [0, 1).
        eps: Keeps the divisor from 0.
        weight_decay: λ ≥ 0.
        amsgrad: Whether v may not fall.
        maximize: Whether to climb instead; the weights decay all the same.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite import Value
    >>> x = Value(3.0)
    >>> optimizer = AdamW([x], lr=0.1, weight_decay=0.5)
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> round(x.data, 6)
    2.75
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)


class Lion(Optimizer):
    """The sign of a running mean, so that every parameter moves by lr.

    p ← (1 − lr·λ)·p − lr·sign(β₁·m + (1 − β₁)·grad), and then m ← β₂·m + (1 − β₂)·grad (Chen et al. 2023, "Symbolic
    discovery of optimization algorithms", program 1). The sign of 0 is 0. The authors take a learning rate 3 to 10
    times smaller than for AdamW, and a λ as many times greater (section 5).

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0.
        betas: β₁ and β₂ in [0, 1].
        weight_decay: λ ≥ 0.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite import Value
    >>> x = Value(3.0)
    >>> optimizer = Lion([x], lr=0.125)
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> x.data
    2.875
    """

    checks: ClassVar[Mapping[str, Check]] = {
        "lr": AT_LEAST_ZERO,
        "betas": pair_of(PROPORTION, PROPORTION),
        "weight_decay": AT_LEAST_ZERO,
    }
    numbers: ClassVar[Mapping[str, float]] = {"exp_avg": 0.0}

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @staticmethod
    def update(
        m: Any, parameter: Any, gradient: Any, state: Mapping[str, Any], group: Mapping[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Compute the formula of the class; see :meth:`Optimizer.update`."""
        beta1, beta2 = group["betas"]
        direction = m.sign(running_mean(beta1, state["exp_avg"], gradient))
        moved = decay_weights(parameter, group) - group["lr"] * direction
        return moved, {"exp_avg": running_mean(beta2, state["exp_avg"], gradient)}


# ------------------------------------------------------------------------------------ what formulas share


def add_penalty(parameter: Any, gradient: Any, group: Mapping[str, Any]) -> Any:
    """Return the gradient to descend along: turned round by ``maximize``, and with that of the penalty λ·p²/2.

    >>> add_penalty(2.0, 1.0, {"maximize": True, "weight_decay": 0.25})
    -0.5
    """
    if group["maximize"]:
        gradient = -gradient
    if group["weight_decay"]:
        gradient = gradient + group["weight_decay"] * parameter
    return gradient


def decay_weights(parameter: Any, group: Mapping[str, Any]) -> Any:
    """(1 − lr·λ)·p: the decay of weights beside the gradient.

    >>> decay_weights(2.0, {"lr": 0.5, "weight_decay": 0.5})
    1.5
    """
    return parameter * (1.0 - group["lr"] * group["weight_decay"]) if group["weight_decay"] else parameter


def running_mean(beta: Any, mean: Any, new: Any) -> Any:
    """β·mean + (1 − β)·new: the exponential moving average.

    >>> running_mean(0.75, 4.0, 8.0)
    5.0
    """
    return beta * mean + (1.0 - beta) * new


def root(m: Any, square: Any) -> Any:
    """√square, with the derivative 0 at 0 in the place of inf.

    There, all gradients so far were 0, as those of a dead relu are, and an update is differentiated as it should be:
    gradient/(√square + eps) has the slope 1/eps in the gradient, and not inf·0.

    >>> from tinygrad_lite.operations.arithmetic import FLOAT
    >>> root(FLOAT, 9.0), root(FLOAT, 0.0)
    (3.0, 0.0)
    """
    zero = m.equal(square, 0.0)
    return m.where(zero, 0.0, m.sqrt(m.where(zero, 1.0, square)))

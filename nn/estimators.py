"""Multilayer perceptrons as scikit-learn has them: fit, predict, score, in pipelines, grid searches and scalers.

This module needs scikit-learn; nothing else in the library does but the data sets that come with it.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any, TypeVar

import numpy

from tinygrad_lite.nn.layers.layers import MLP, Activation
from tinygrad_lite.nn.losses.class_losses import cross_entropy
from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits, mse_loss
from tinygrad_lite.nn.optim.optimizers import SGD, Adam
from tinygrad_lite.nn.train.callbacks import EarlyStopping
from tinygrad_lite.nn.training import fit, predict

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "MLPClassifier and MLPRegressor are scikit-learn estimators, and scikit-learn 1.6 or newer is not installed: "
        "pip install 'tinygrad-lite[nn]'"
    ) from error

_E = TypeVar("_E", bound="_Perceptron")


class _Perceptron(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the two share: their arguments, and the training.

    Arguments are checked by ``fit``, not before: scikit-learn wants it so, as ``set_params`` may change them.
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (16,),
        activation: Activation = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | None = 32,
        learning_rate_init: float = 0.01,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 0.0001,
        verbose: bool = False,
        momentum: float = 0.9,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.momentum = momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change

    def _train(self, X: Any, y: Any, outputs: int, loss: Callable[[Any, Any], Any], stratify: bool) -> None:  # noqa: N803 (scikit-learn's name)
        """Make the model, and train it."""
        for name in ("max_iter", "batch_size"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"{name} is at least 1, not {count!r}")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rng = random.Random(seed)
        model = MLP(X.shape[1], [*_sizes(self.hidden_layer_sizes), outputs], self.activation, generator=rng)
        data, validation = (X, y), None
        if self.early_stopping:
            X, X_rest, y, y_rest = train_test_split(  # noqa: N806 (scikit-learn's names)
                X, y, test_size=self.validation_fraction, random_state=seed, stratify=y if stratify else None
            )
            data, validation = (X, y), (X_rest, y_rest)
        batch_size = len(X) if self.batch_size is None else min(self.batch_size, len(X))
        stopping = EarlyStopping(
            "val_loss" if self.early_stopping else "loss",
            patience=self.n_iter_no_change,
            min_delta=self.tol,
            restore_best_weights=self.early_stopping,
        )
        self.history_ = fit(
            model,
            loss,
            data,
            self._optimizer(model, batch_size),
            self.max_iter,
            batch_size,
            validation_data=validation,
            callbacks=[stopping],
            shuffle=self.shuffle,
            generator=rng,
            progress=bool(self.verbose),
        )
        self.model_ = model
        self.loss_curve_ = list(self.history_["loss"])
        self.n_iter_ = len(self.loss_curve_)
        if self.history_.stopped == "all epochs are done":
            warnings.warn(
                f"the loss still changes by more than tol={self.tol} after max_iter={self.max_iter} epochs: more of "
                "them, or a larger learning_rate_init, may give a better model",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _optimizer(self, model: MLP, batch_size: int) -> Any:
        """Return the optimiser, with the penalty on the weights; the biases have none."""
        weights = [w for layer in model.layers for neuron in layer.neurons for w in neuron.w]
        biases = [neuron.b for layer in model.layers for neuron in layer.neurons]
        groups: list[dict[str, Any]] = [
            {"params": weights, "weight_decay": self.alpha / batch_size},
            {"params": biases},
        ]
        if self.solver == "adam":
            return Adam(groups, lr=self.learning_rate_init)
        if self.solver == "sgd":
            return SGD(groups, lr=self.learning_rate_init, momentum=self.momentum, nesterov=self.momentum > 0.0)
        raise ValueError(f"solver is 'adam' or 'sgd', not {self.solver!r}")

    def _outputs(self, X: Any) -> Any:  # noqa: N803 (scikit-learn's name)
        """Return an array of shape (n,), or (n, outputs) where there are several."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=numpy.float64, reset=False)  # noqa: N806 (scikit-learn's name)
        return numpy.array(predict(self.model_, X))


class MLPClassifier(ClassifierMixin, _Perceptron):  # type: ignore[misc]  # scikit-learn has no types
    """A multilayer perceptron for classes, as a scikit-learn estimator.

    Arguments are those of scikit-learn's own, with defaults for the scalar engine: it is slower, and shows every
    gradient (``model_`` is an :class:`~tinygrad_lite.nn.layers.layers.MLP`).

    Args:
        hidden_layer_sizes: The number of neurons of each hidden layer.
        activation: Of the hidden layers: the name of any operation of the table on one number, or a function.
        solver: ``"adam"``, or ``"sgd"`` with Nesterov's momentum.
        alpha: The penalty α/2·Σw² on the weights, over the batch size, as scikit-learn counts it.
        batch_size: The number of samples for each step; None for all.
        learning_rate_init: The learning rate.
        max_iter: The most epochs.
        shuffle: Whether the samples of each epoch come in a new order.
        random_state: What weights, order and validation set are drawn from: an int, a NumPy RandomState, or None.
        tol: By how much the loss has to become better.
        verbose: Whether to show a progress bar.
        momentum: Of ``"sgd"``.
        early_stopping: Whether to set samples aside, stop by their loss, and keep the weights for which it was best.
        validation_fraction: The share of samples set aside.
        n_iter_no_change: For how many epochs the loss may fail to become better.

    Attributes:
        classes_: The labels, in order.
        model_: The trained MLP: a logit for two classes, one for each of more.
        history_: What :func:`~tinygrad_lite.nn.training.fit` returned.
        loss_curve_: The loss of each epoch.
        n_iter_: The number of epochs.
        n_features_in_: The number of inputs.

    >>> from tinygrad_lite.nn.train.data import blobs
    >>> X, y = blobs(60, generator=0)
    >>> classifier = MLPClassifier((4,), tol=0.01, random_state=0).fit(X, y)
    >>> classifier.score(X, y)
    1.0
    """

    def fit(self: _E, X: Any, y: Any) -> _E:  # noqa: N803 (scikit-learn's name)
        """Train on samples and their labels.

        Args:
            X: An array of shape (n, features).
            y: n labels of any kind, of at least two classes.

        Returns:
            Itself.

        Raises:
            ValueError: Data or arguments are not as they should be.
            NonFiniteError: The loss became infinite or NaN.
        """
        X, y = validate_data(self, X, y, dtype=numpy.float64)  # noqa: N806 (scikit-learn's name)
        check_classification_targets(y)
        self.classes_, indices = numpy.unique(y, return_inverse=True)
        count = len(self.classes_)
        if count == 1:
            raise ValueError(
                f"all samples have one class, {self.classes_[0]!r}: a classifier is trained on at least two"
            )
        loss = binary_cross_entropy_with_logits if count == 2 else cross_entropy
        self._train(X, indices, 1 if count == 2 else count, loss, stratify=True)
        return self

    def decision_function(self, X: Any) -> Any:  # noqa: N803 (scikit-learn's name)
        """Return the logits.

        Args:
            X: An array of shape (n, features).

        Returns:
            An array of shape (n,) for two classes, positive for the second, or (n, classes).
        """
        return self._outputs(X)

    def predict(self, X: Any) -> Any:  # noqa: N803 (scikit-learn's name)
        """Return the most probable label of each sample.

        Args:
            X: An array of shape (n, features).

        Returns:
            An array of n labels.
        """
        logits = self._outputs(X)
        return self.classes_[(logits > 0.0).astype(int) if logits.ndim == 1 else logits.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 (scikit-learn's name)
        """Return the probability of each class.

        Args:
            X: An array of shape (n, features).

        Returns:
            An array of shape (n, classes), in the order of ``classes_``.
        """
        logits = self._outputs(X)
        if logits.ndim == 1:  # the sigmoid is a softmax against 0
            logits = numpy.stack([numpy.zeros_like(logits), logits], axis=1)
        powers = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


class MLPRegressor(RegressorMixin, _Perceptron):  # type: ignore[misc]  # scikit-learn has no types
    """A multilayer perceptron for numbers, as a scikit-learn estimator: least squares.

    Args:
        hidden_layer_sizes: The arguments are those of :class:`MLPClassifier`.
        activation: As there, like all that follow.
        solver: As there.
        alpha: As there.
        batch_size: As there.
        learning_rate_init: As there.
        max_iter: As there.
        shuffle: As there.
        random_state: As there.
        tol: As there.
        verbose: As there.
        momentum: As there.
        early_stopping: As there.
        validation_fraction: As there.
        n_iter_no_change: As there.

    Attributes:
        model_: The trained MLP, with an output for each target. (The others are those of :class:`MLPClassifier`.)

    >>> X = [[i / 20] for i in range(21)]
    >>> y = [2 * x + 1 for [x] in X]
    >>> regressor = MLPRegressor((4,), "tanh", batch_size=7, learning_rate_init=0.05, tol=0.001, random_state=0)
    >>> regressor.fit(X, y).score(X, y) > 0.99
    True
    """

    def fit(self: _E, X: Any, y: Any) -> _E:  # noqa: N803 (scikit-learn's name)
        """Train on samples and their targets.

        Args:
            X: An array of shape (n, features).
            y: An array of shape (n,), or (n, targets).

        Returns:
            Itself.

        Raises:
            ValueError: Data or arguments are not as they should be.
            NonFiniteError: The loss became infinite or NaN.
        """
        X, y = validate_data(self, X, y, dtype=numpy.float64, multi_output=True, y_numeric=True)  # noqa: N806 (scikit-learn's name)
        self._is_column = y.ndim == 2 and y.shape[1] == 1
        targets = y.astype(numpy.float64).ravel() if self._is_column else y.astype(numpy.float64)
        self._train(X, targets, 1 if targets.ndim == 1 else targets.shape[1], mse_loss, stratify=False)
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803 (scikit-learn's name)
        """Return the prediction for each sample.

        Args:
            X: An array of shape (n, features).

        Returns:
            An array of shape (n,), or (n, targets).
        """
        outputs = self._outputs(X)
        return outputs[:, None] if self._is_column else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _sizes(hidden_layer_sizes: Any) -> list[int]:
    sizes = [hidden_layer_sizes] if isinstance(hidden_layer_sizes, Integral) else list(hidden_layer_sizes)
    if not all(isinstance(size, Integral) and int(size) >= 1 for size in sizes):
        raise ValueError(f"hidden_layer_sizes are positive ints, such as (16, 16), not {hidden_layer_sizes!r}")
    return list(map(int, sizes))

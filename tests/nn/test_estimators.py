"""The estimators behave as scikit-learn's do, by its own checks, and find what other methods find."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tinygrad_lite.nn.estimators import MLPClassifier, MLPRegressor
from tinygrad_lite.nn.train.data import breast_cancer, diabetes, iris, moons
from tinygrad_lite.nn.train.nonfinite import NonFiniteError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK: dict[str, Any] = {"max_iter": 40, "batch_size": 16, "learning_rate_init": 0.03}
#: all epochs, whether the loss falls or not
ALL: dict[str, Any] = {"n_iter_no_change": 1000, "random_state": 0}


@pytest.mark.filterwarnings("ignore:SCIPY_ARRAY_API is not set")
@parametrize_with_checks([MLPClassifier((8,), **QUICK), MLPRegressor((8,), **QUICK)])
def test_every_check_of_scikit_learn_passes(estimator: Any, check: Any) -> None:
    check(estimator)


def test_without_hidden_layers_the_classifier_is_logistic_regression() -> None:
    x, y = moons(60, generator=0)
    ours = MLPClassifier((), alpha=0.5, batch_size=None, learning_rate_init=0.1, max_iter=400, tol=0.0, **ALL)
    ours.fit(x, y)
    theirs = LogisticRegression(C=1 / 0.5, tol=1e-10).fit(x, y)  # its C is 1/alpha
    (neuron,) = ours.model_.layers[0].neurons
    np.testing.assert_allclose([w.data for w in neuron.w], theirs.coef_[0], rtol=1e-4)
    np.testing.assert_allclose(neuron.b.data, theirs.intercept_[0], rtol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-4)
    np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), atol=1e-3)


def test_without_hidden_layers_the_regressor_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    targets = x @ rng.normal(size=(3, 2)) + rng.normal(size=(40, 2))
    ours = MLPRegressor(
        (), alpha=0.0, solver="sgd", batch_size=None, learning_rate_init=0.1, max_iter=300, tol=0.0, **ALL
    )
    np.testing.assert_allclose(
        ours.fit(x, targets).predict(x), LinearRegression().fit(x, targets).predict(x), atol=1e-6
    )


def test_many_classes_with_any_labels_and_probabilities_of_each() -> None:
    x, y = iris()
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=30, random_state=0)).fit(x, names)
    assert model.score(x, names) > 0.95
    assert model.classes_.tolist() == sorted(set(names))
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (model.classes_[p.argmax(axis=1)] == model.predict(x)).all()
    np.testing.assert_allclose(p, np.exp(z := model.decision_function(x)) / np.exp(z).sum(axis=1, keepdims=True))


def test_real_data_are_learnt_as_well_as_by_linear_models() -> None:
    x, x_test, y, y_test = train_test_split(*breast_cancer(), random_state=0)
    classifier = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=10, random_state=0)).fit(x, y)
    assert classifier.score(x_test, y_test) > 0.94
    x, x_test, y, y_test = train_test_split(*diabetes(), random_state=0)
    y_mean, y_scale = y.mean(), y.std()
    regressor = make_pipeline(StandardScaler(), MLPRegressor((4,), "tanh", max_iter=20, alpha=1.0, random_state=0))
    regressor.fit(x, (y - y_mean) / y_scale)
    linear = LinearRegression().fit(x, y).score(x_test, y_test)
    assert regressor.score(x_test, (y_test - y_mean) / y_scale) > linear - 0.1


def test_a_grid_search_finds_settings() -> None:
    x, y = moons(60, generator=0)
    search = GridSearchCV(MLPClassifier(max_iter=20, random_state=0), {"hidden_layer_sizes": [(1,), (8,)]}, cv=3)
    search.fit(x, y)
    assert search.best_params_ == {"hidden_layer_sizes": (8,)}


def test_equal_random_states_give_equal_models_and_others_do_not() -> None:
    x, y = moons(30, generator=0)

    def logits(random_state: Any) -> list[float]:
        found: list[float] = MLPClassifier((4,), max_iter=2, random_state=random_state).fit(x, y).decision_function(x)
        return list(found)

    assert logits(0) == logits(0) == logits(np.random.RandomState(0)) != logits(1)


def test_a_copy_by_pickle_predicts_the_same() -> None:
    x, y = moons(30, generator=0)
    model = MLPClassifier((4,), max_iter=2, random_state=0).fit(x, y)
    assert (pickle.loads(pickle.dumps(model)).decision_function(x) == model.decision_function(x)).all()
    with pytest.raises(NotFittedError):
        clone(model).predict(x)


def test_training_ends_when_nothing_gets_better() -> None:
    x, y = moons(40, generator=0)
    model = MLPClassifier((4,), tol=0.1, n_iter_no_change=3, random_state=0).fit(x, y)
    assert model.n_iter_ == len(model.loss_curve_) < 200
    assert model.loss_curve_ == model.history_["loss"]
    assert model.history_.stopped.startswith("loss has not become better")


def test_early_stopping_keeps_the_weights_that_were_best_on_samples_set_aside() -> None:
    x, y = moons(60, noise=0.4, generator=0)
    model = MLPClassifier(
        (16,), early_stopping=True, validation_fraction=0.3, n_iter_no_change=5, learning_rate_init=0.1, random_state=0
    ).fit(x, y)
    losses = model.history_["val_loss"]
    assert model.n_iter_ < 200
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    _, x_rest, _, y_rest = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    p = model.predict_proba(x_rest)[range(len(y_rest)), y_rest]
    assert -np.log(p).mean() == pytest.approx(min(losses), rel=1e-9)


@pytest.mark.filterwarnings("error")
def test_too_few_epochs_are_warned_of() -> None:
    with pytest.warns(ConvergenceWarning, match="still changes by more than tol=0.0001 after max_iter=2 epochs"):
        MLPClassifier((2,), max_iter=2, random_state=0).fit(*moons(20, generator=0))


def test_a_column_of_targets_gives_a_column_of_predictions() -> None:
    x, y = np.arange(6.0)[:, None], np.arange(6.0)[:, None]
    assert MLPRegressor((2,), max_iter=2).fit(x, y).predict(x).shape == (6, 1)
    assert MLPRegressor((2,), max_iter=2).fit(x, y.ravel()).predict(x).shape == (6,)
    assert MLPRegressor((2,), max_iter=2).fit(x, np.hstack([y, y])).predict(x).shape == (6, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_layer_sizes": (0,)}, r"hidden_layer_sizes are positive ints, such as \(16, 16\), not \(0,\)"),
        ({"hidden_layer_sizes": (2.5,)}, "hidden_layer_sizes are positive ints"),
        ({"solver": "lbfgs"}, "solver is 'adam' or 'sgd', not 'lbfgs'"),
        ({"activation": "rleu"}, "'rleu'"),
        ({"max_iter": 0}, "max_iter is at least 1, not 0"),
        ({"batch_size": 0}, "batch_size is at least 1, not 0"),
        ({"learning_rate_init": -1.0}, "lr"),
        ({"n_iter_no_change": 0}, "patience is at least 1"),
    ],
)
def test_bad_arguments_are_refused_by_fit(options: dict[str, Any], message: str) -> None:
    model = MLPClassifier(**options)
    with pytest.raises(ValueError, match=message):
        model.fit(*moons(20, generator=0))


def test_a_number_of_neurons_will_do_for_one_layer() -> None:
    assert repr(MLPClassifier(np.int64(3), max_iter=1).fit(*moons(8)).model_).startswith("MLP(2, [3, 1]")


def test_one_class_is_none_to_choose_from() -> None:
    with pytest.raises(ValueError, match="all samples have one class"):
        MLPClassifier().fit([[0.0], [1.0]], [1, 1])


def test_diverging_training_is_an_error() -> None:
    with pytest.raises(NonFiniteError, match="epoch"):
        MLPRegressor(solver="sgd", learning_rate_init=1e9, random_state=0).fit([[1.0], [2.0]], [1.0, 2.0])


@pytest.mark.parametrize("verbose", [True, False])
def test_verbose_shows_progress(verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    MLPClassifier((2,), max_iter=2, verbose=verbose, random_state=0).fit(*moons(20, generator=0))
    assert ("epoch 2/2" in capsys.readouterr().err) is verbose


def test_without_scikit_learn_the_message_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "try: import tinygrad_lite.nn.estimators\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'tinygrad-lite[nn]'" in done.stdout

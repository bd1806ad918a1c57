"""A derivation comes to the gradient, says how, and finds ŷ − y wherever it is."""

from __future__ import annotations

import math
import random
import re
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tinygrad_lite import (
    StaleGraphError,
    Value,
    dot,
    exp,
    gradient,
    log,
    log1p,
    logsumexp,
    relu,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    tanh,
    topological_order,
)
from tinygrad_lite.nn.layers.layers import MLP
from tinygrad_lite.nn.losses.losses import binary_cross_entropy, binary_cross_entropy_with_logits, mse_loss
from tinygrad_lite.testing.strategies.drawn_expressions import Formula
from tinygrad_lite.testing.strategies.strategies import expressions
from tinygrad_lite.viz.derivation.derivation import derive
from tinygrad_lite.viz.derivation.notation import Notation
from tinygrad_lite.viz.derivation.paths import Between, product
from tinygrad_lite.viz.formulas.expr_printer import number_text
from tinygrad_lite.viz.formulas.formula_values import evaluate
from tinygrad_lite.viz.formulas.symbols import in_latex, in_text

HOSTILE = [
    "$x$", "$$", r"\evil", r"\end{aligned}", "}", "{{", "{}", "{0}", "a\\", "%", "#1", "&", "_", "^^", "~", "<script>",
    "<!--", "&lt;", "`x`", "*a*", "[a](b)", "|", "a\nb\n\nc", "\u202eabc", "שלום", "\u2069\u202e", "\x00", "x" * 10_000,
    " ", "😀", "**1. x**", "$\n$$",
]  # fmt: skip


def recorded(f: Formula) -> tuple[Value, list[Value]]:
    leaves = [Value(x, name) for x, name in zip(f.point, f.inputs, strict=True)]
    return f(*leaves), leaves


def network(y: float = 1.0) -> tuple[Value, Value, Value]:
    """The textbook's network of one neuron a layer: ReLU, ReLU, sigmoid, and its logit and first weight."""
    x, w1, b1, w2, b2, w3, b3 = (
        Value(data, label)
        for label, data in {"x": 1.5, "w1": 0.5, "b1": 0.1, "w2": 0.8, "b2": -0.2, "w3": 1.2, "b3": 0.3}.items()
    )
    z = w3 * relu(w2 * relu(w1 * x + b1) + b2) + b3
    z.label = "z"
    return z, w1, Value(y, "y")


def headings(page: str) -> list[str]:
    return re.findall(r"^\d+\. (.*)$", page, re.MULTILINE)


def last_number(page: str) -> str:
    return [line for line in page.splitlines() if "=" in line][-1].rsplit("= ", 1)[1]


# ----------------------------------------------------------------------------------------------- it is the gradient


def size_of_terms(root: Value, leaf: Value) -> float:
    """Σ |product along a path|: what rounding is relative to."""
    sizes = {id(root): 1.0}
    for node in topological_order(root):
        for operand, partial in zip(node.parents, node.partials, strict=True):
            sizes[id(operand)] = sizes.get(id(operand), 0.0) + (
                sizes[id(node)] * abs(partial) if sizes[id(node)] and partial else 0.0
            )
    return sizes[id(leaf)]


@given(f=expressions(inputs=2), k=st.integers(0, 1))
def test_the_value_is_the_gradient_to_rounding(f: Formula, k: int) -> None:
    root, leaves = recorded(f)
    if any(leaves[k] is x for x in topological_order(root, leaves=True)):
        value, expected = derive(root, leaves[k]).value, gradient(root, leaves[k])
        if math.isfinite(expected):
            assert abs(value - expected) <= 1e-14 * size_of_terms(root, leaves[k])
        else:
            assert repr(value) == repr(expected)


@given(f=expressions(inputs=2, kinks=False), k=st.integers(0, 1))
def test_the_products_along_the_paths_add_up_to_it(f: Formula, k: int) -> None:
    root, leaves = recorded(f)
    between = Between(root, leaves[k])
    assume(between.nodes and between.count_paths(root, leaves[k]) <= 200)
    paths = between.list_paths(root, leaves[k])
    assert len(paths) == between.count_paths(root, leaves[k])
    assert len({tuple(map(id, path)) for path in paths}) == len(paths)
    products = [product([between.partial(a, b) for a, b in pairwise(p)]) for p in paths]
    if all(map(math.isfinite, products)):
        size = math.fsum(map(abs, products))
        assert abs(math.fsum(products) - gradient(root, leaves[k])) <= 1e-9 * size + 1e-300


@given(f=expressions(inputs=2), k=st.integers(0, 1))
def test_every_path_passes_the_bottlenecks_and_nothing_else_is_one(f: Formula, k: int) -> None:
    root, leaves = recorded(f)
    between = Between(root, leaves[k])
    assume(between.nodes and between.count_paths(root, leaves[k]) <= 200)
    paths = [set(map(id, path)) for path in between.list_paths(root, leaves[k])]
    assert [id(x) for x in between.bottlenecks()] == [id(x) for x in between.nodes if id(x) in set.intersection(*paths)]


@given(f=expressions(inputs=1))
def test_the_page_ends_with_the_gradient(f: Formula) -> None:
    root, (x,) = recorded(f)
    between = Between(root, x)
    assume(between.nodes)
    page = str(derive(root, x, precision=5))
    equations = [
        line for line in page.splitlines() if (line.startswith("   ") and "=" in line and "∂" in line) or " = " in line
    ]
    assert any(line.rstrip().endswith(f"= {number_text(gradient(root, x), 5)}") for line in equations), page


def test_interior_nodes_can_be_differentiated_by() -> None:
    x = Value(0.5)
    h = tanh(x)
    y = h * h * 3.0
    assert derive(y, h).value == pytest.approx(6.0 * math.tanh(0.5))


def test_a_node_by_itself_is_1() -> None:
    x = Value(2.0, "x")
    assert derive(x, x).value == 1.0
    y = x * x
    assert str(derive(y, y)).splitlines()[-1] == "   ∂L/∂L = 1"


def test_nothing_is_changed() -> None:
    z, w1, y = network()
    loss = softplus(z) - y * z
    loss.backward()
    nodes = topological_order(loss, leaves=True)
    before = [(v.data, v.grad, v.label) for v in nodes]
    str(derive(loss, w1))
    assert before == [(v.data, v.grad, v.label) for v in nodes]


# -------------------------------------------------------------------------------------------------- what it says


def test_the_page_of_one_neuron() -> None:
    a, b, c = Value(2.0, "a"), Value(-3.0, "b"), Value(6.5, "c")
    out = tanh(a * b + c)
    out.label = "out"
    assert (
        str(derive(out, a))
        == """\
∂out/∂a, step by step

1. Forwards
   v1  = a·b      = 2·(−3)    = −6
   v2  = v1 + c   = −6 + 6.5  = 0.5
   out = tanh(v2) = tanh(0.5) = 0.4621

2. The derivative of each step
   ∂v1/∂a   = b           = −3
   ∂v2/∂v1  = 1
   ∂out/∂v2 = 1/cosh²(v2) = 1/cosh²(0.5) = 0.7864

3. The chain rule
   One path leads from a to out:
   a → v1 → v2 → out
   ∂out/∂a = ∂out/∂v2 · ∂v2/∂v1 · ∂v1/∂a

4. The result
   ∂out/∂a = 1/cosh²(v2) · b
           = 0.7864 · (−3)
           = −2.359"""
    )


def test_powers_have_whole_exponents() -> None:
    x = Value(3.0, "x")
    assert "∂L/∂x = 2·x = 2·3 = 6" in str(derive(x**2, x))
    assert "∂L/∂x = 3·x² = 3·3² = 27" in str(derive(x**3, x))
    assert "∂L/∂x = 0.5·x^(−0.5) = " in str(derive(x**0.5, x))


def test_paths_are_listed_and_summed() -> None:
    x = Value(3.0, "x")
    page = str(derive(x * x.exp() + x.sin(), x))
    assert "Three paths lead from x to L:" in page
    assert re.findall(r"^   \(\d\) (.*)$", page, re.MULTILINE) == ["x → v2 → L", "x → v1 → v2 → L", "x → v3 → L"]
    assert "∂L/∂x is the sum over the three paths between the two:" in page


def test_what_is_used_twice_by_one_step_is_one_path() -> None:
    x = Value(3.0, "x")
    page = str(derive((x * x).exp(), x))
    assert "One path leads" in page
    assert "∂v1/∂x = 2·x" in page


def test_a_step_besides_other_paths_says_what_is_held_fixed() -> None:
    x = Value(3.0, "x")
    derivation = derive(x * x.exp(), x)
    assert "∂L/∂x|v1 = v1" in str(derivation)
    assert "Behind the bar" in str(derivation)
    assert r"\left.\frac{\partial L}{\partial x}\right|_{v_{1}}" in derivation.markdown()


def test_many_paths_are_summed_node_by_node() -> None:
    x, y = Value(0.5, "x"), Value(0.25, "y")
    for _ in range(5):
        x_next = x * y + x
        y, x = y * x + y, x_next
    leaf = next(v for v in topological_order(x, leaves=True) if v.label == "x")
    between = Between(x, leaf)
    count = between.count_paths(x, leaf)
    page = str(derive(x, leaf))
    assert count > 8
    assert f"{count} paths lead from x to L." in page
    assert "Their sum is formed node by node" in page
    assert last_number(page) == number_text(gradient(x, leaf))


def test_exponentially_many_paths_cost_no_time() -> None:
    x = v = Value(1.0, "x")
    for _ in range(60):
        v = v + v.tanh()
    page = str(derive(v, x))
    assert "About 1e18 paths lead from x to L." in page
    assert derive(v, x).value == gradient(v, x)


def test_more_nodes_than_anybody_would_read_are_refused_with_ways_on() -> None:
    x = v = Value(1.0, "x")
    for _ in range(100_000):
        v = v + 1.0
    with pytest.raises(ValueError, match=r"100,001 nodes.*max_nodes=200.*gradient\(root, leaf\)"):
        derive(v, x)


def test_a_dead_relu_is_pointed_out() -> None:
    w = Value(-1.0, "w")
    page = str(derive(relu(w * 2.0) * 3.0, w))
    assert "[v1 > 0] is 0: nothing flows back beyond it." in page
    assert "A condition in brackets is 1 where it holds, and 0 elsewhere." in page


def test_kinks_name_the_convention() -> None:
    x = Value(0.0, "x")
    assert "The derivative of L jumps here; the convention is: relu'(0) = 0." in str(derive(relu(x), x))


def test_infinite_derivatives_are_written() -> None:
    x = Value(0.0, "x")
    assert last_number(str(derive(sqrt(x) * 2.0, x))) == "∞"


def test_operands_besides_the_paths_are_written_out_or_given() -> None:
    w, x = Value(2.0, "w"), Value(0.5, "x")
    page = str(derive(w * (1.0 - x) + w * (x * x).tanh().exp(), w))
    assert "w·(1 − x)" in page
    assert re.search(r"v\d = 1\.278 does not depend on w\.", page)


def test_a_node_on_the_way_by_which_is_differentiated_is_given() -> None:
    w, x = Value(2.0, "w"), Value(0.5, "x")
    z = w * x
    z.label = "z"
    page = str(derive(z.sigmoid() * (x * x).tanh().exp(), z))
    assert "z = 1 is taken as given." in page
    assert re.search(r"v\d = 1\.278 does not depend on z\.", page)


def test_sums_over_many_operands_have_an_index() -> None:
    ws, xs = [Value(0.1 * i, f"w{i}") for i in range(9)], [Value(1.0 + i, f"x{i}") for i in range(9)]
    page = str(derive(tanh(dot(ws, xs, Value(-20.0, "bias"))), ws[3]))
    assert "z1 = bias + Σ(i = 1…9) wᵢ·xᵢ" in page
    assert "∂z1/∂w3 = x3" in page


# --------------------------------------------------------------------------------------------------------- ŷ − y


LOSSES = {
    "by hand": lambda z, y: -(y * log(p := _named(sigmoid(z))) + (1 - y) * log(1 - p)),
    "by hand, with log1p": lambda z, y: -(y * log(p := _named(sigmoid(z))) + (1 - y) * log1p(-p)),
    "otherwise": lambda z, y: (y - 1) * log(1 - (p := _named(sigmoid(z)))) - y * log(p),
    "with the sigmoid written out": lambda z, y: log(1 + exp(z)) - y * z,
    "of the logit": lambda z, y: softplus(z) - y * z,
    "of the library": lambda z, y: binary_cross_entropy(_named(sigmoid(z)), y),
    "of the library, of the logit": lambda z, y: binary_cross_entropy_with_logits(z, y),
    "of a tanh": lambda z, y: -(y * log(p := _named((1 + tanh(z / 2)) / 2)) + (1 - y) * log(1 - p)),
}


def _named(p: Value) -> Value:
    p.label = "ŷ"
    return p


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("with the sigmoid written out", "of a tanh")])
def test_the_textbook_network_arrives_at_prediction_less_target(name: str) -> None:
    z, w1, y = network()
    loss = LOSSES[name](z, y)
    page = str(derive(loss, w1))
    assert headings(page)[3] in ("What cancels", "What it comes to")
    prediction = "σ(z)" if "logit" in name else "ŷ"
    assert f"= {prediction} − y\n" in page
    assert f"This is ŷ − y, the prediction {prediction} less its target" in page
    assert re.search(rf"∂\S+/∂w1 = \(?{re.escape(prediction)} − y\)? · w3 · ", page)
    assert derive(loss, w1).value == pytest.approx(gradient(loss, w1), rel=1e-12)


def test_the_algebra_is_shown_line_by_line() -> None:
    z, w1, y = network()
    page = str(derive(LOSSES["by hand"](z, y), w1))
    shown = page[page.index("4. What cancels") : page.index("5. The result")]
    assert [line.split("= ", 1)[1] for line in shown.splitlines() if "= " in line] == [
        "∂L/∂v13 · ∂v13/∂ŷ · ∂ŷ/∂z",
        "(−y/ŷ + (1 − y)/(1 − ŷ)) · ŷ·(1 − ŷ)",
        "(ŷ − y)/(ŷ·(1 − ŷ)) · ŷ·(1 − ŷ)",
        "ŷ − y",
        "0.706 − 1",
        "−0.294",
    ]
    assert "the slope of the activation, small where the network is sure, cancels." in shown


@pytest.mark.parametrize("name", LOSSES)
def test_what_cancels_is_the_true_derivative_at_other_points_too(name: str) -> None:
    """The oracle: 50-digit differences of the cross entropy's definition."""
    mpmath = pytest.importorskip("mpmath")
    rng = random.Random(0)

    def entropy(z: object, y: float) -> object:
        p = 1 / (1 + mpmath.exp(-z))
        return -(y * mpmath.log(p) + (1 - y) * mpmath.log(1 - p))

    for _ in range(5):
        z, y = Value(rng.uniform(-4, 4), "z"), Value(rng.choice([0.25, 0.5, 0.75]), "y")
        loss = LOSSES[name](z, y)
        between = Between(loss, z)
        from tinygrad_lite.viz.derivation.cancellations import Adjoints

        formulas = Adjoints(between, Notation(between, {}, 4).applications)
        found = formulas.at(z, gradient(loss, z))
        if found is None:  # a formula without a sigmoid
            assert name in ("with the sigmoid written out", "of a tanh")
            continue
        with mpmath.workdps(50):
            truth = mpmath.diff(lambda t, y=y: entropy(t, y.data), mpmath.mpf(z.data))
        assert evaluate(found.result) == pytest.approx(float(truth), rel=1e-9, abs=1e-12)


def test_targets_0_and_1_of_the_library() -> None:
    z, w1, _ = network()
    p = _named(sigmoid(z))
    assert "= ŷ − 1\n" in str(derive(binary_cross_entropy(p, 1), w1))
    assert "= ŷ\n" in str(derive(binary_cross_entropy(p, 0), w1))
    assert "= σ(z) − 1\n" in str(derive(binary_cross_entropy_with_logits(z, 1), w1))


def test_softmax_and_cross_entropy_of_several_classes() -> None:
    for count in (3, 7):
        zs = [Value(0.3 * i, f"z{i}") for i in range(count)]
        p = softmax(zs)[1]
        p.label = "p"
        assert "= p − 1\n" in str(derive(-log(p), zs[1]))
        assert "∂p/∂z1 = p·(1 − p)" in str(derive(-log(p), zs[1]))
        assert "= softmax₁(z0, " in str(derive(-log(p), zs[0]))
        assert "prediction softmax₂(z0, " in str(derive(logsumexp(zs) - zs[1], zs[1]))


def test_other_cancellations_are_found_too() -> None:
    x = Value(0.7, "x")
    assert headings(str(derive(log(exp(x)), x)))[3] == "What cancels"
    assert "= 1\n" in str(derive(sqrt(x) ** 2, x))
    assert "What cancels" not in str(derive(x.sin() * x.exp(), x))


def test_a_result_that_is_not_the_gradient_is_not_shown() -> None:
    from tinygrad_lite.viz.derivation.cancellations import Adjoints

    z, y = Value(0.5, "z"), Value(1.0, "y")
    loss = softplus(z) - y * z
    between = Between(loss, z)
    formulas = Adjoints(between, Notation(between, {}, 4).applications)
    assert formulas.at(z, gradient(loss, z)) is not None
    assert formulas.at(z, gradient(loss, z) + 1e-6) is None


def test_each_sample_of_a_batch_comes_to_prediction_less_target() -> None:
    w = Value(0.3, "w")
    logits = [w * x for x in (1.0, -2.0, 3.0)]
    for i, z in enumerate(logits):
        z.label = f"z{i}"
    loss = binary_cross_entropy_with_logits(logits, [1, 0, 1])
    page = str(derive(loss, w))
    assert "What it comes to on the way" in page
    assert re.search(r"∂L/∂z0 += \(σ\(z0\) − 1\)/3 ", page)
    assert re.search(r"∂L/∂z1 += σ\(z1\)/3 ", page)
    listed = str(derive(loss, w, max_paths=2))
    assert "= (σ(z0) − 1)/3\n" in listed
    assert "= σ(z1)/3\n" in listed


# --------------------------------------------------------------------------------------------------------- names


def test_names_are_labels_then_those_of_the_code_then_made_up() -> None:
    x, scale = Value(2.0), Value(3.0, "s")
    product_ = x * scale
    page = str(derive(product_.tanh() + 1.0, x, names={"x": x, "scale": scale, "product_": product_}))
    assert "product_ = x·s" in page
    assert "v1       = tanh(product_)" in page
    assert "L        = v1 + 1" in page


def test_equal_labels_are_told_apart() -> None:
    a, b = Value(2.0, "x"), Value(3.0, "x")
    derivation = derive(a * b, b)
    assert "L = x·x#2" in str(derivation)
    assert r"\frac{\partial L}{\partial {x}_{\#2}}" in derivation.markdown()


def test_made_up_names_keep_clear_of_labels() -> None:
    x = Value(0.5, "v1")
    label = Value(0.5, "L")
    page = str(derive(x.tanh() * label, x))
    assert "v2 = tanh(v1)" in page
    assert "L1 = v2·L" in page


def test_neurons_have_the_names_of_the_textbooks() -> None:
    model = MLP(2, [2, 1], "tanh", seed=0)
    out = model([1.0, 2.0])
    page = str(derive(mse_loss(out, 1.0), model.parameters()[0], names=model))
    assert "w1 = model.layers[0].neurons[0].w[0]" in page
    assert re.search(r"^   z1 += b1 \+ w1·1 \+ w2·2 ", page, re.MULTILINE)
    assert re.search(r"^   a1 += tanh\(z1\) ", page, re.MULTILINE)


@pytest.mark.parametrize(
    ("label", "latex"),
    [
        ("x", "x"),
        ("w12", "w_{12}"),
        ("w_12", "w_{12}"),
        ("w_ih", r"w_{\mathrm{ih}}"),
        ("x'", "x'"),
        ("loss", r"\mathrm{loss}"),
        ("loss2", r"\mathrm{loss}_{2}"),
        ("ŷ", r"\hat{y}"),
        ("ŷ1", r"\hat{y}_{1}"),
        ("y_hat", r"\hat{y}"),
        ("α", r"\alpha"),
        ("lambda", r"\lambda"),
        ("Ω", r"\Omega"),
        ("omicron", r"\mathrm{omicron}"),
        ("z(0, 1)", r"\text{z(0, 1)}"),
        ("50 %", r"\text{50 }\%"),
    ],
)
def test_labels_in_latex(label: str, latex: str) -> None:
    assert in_latex(label) == latex


# ------------------------------------------------------------------------------------------------ hostile labels

labels = st.text(st.characters(), min_size=1, max_size=30) | st.text(
    "\\{}$%&#_^~<>`*|[]! \nab1", min_size=1, max_size=30
)

COMMANDS = re.compile(r"\\(?:[a-zA-Z]+|[%#&_])")
ALLOWED = {
    "\\text", "\\mathrm", "\\hat", "\\bar", "\\tilde", "\\dot", "\\ddot", "\\backslash", "\\lbrace", "\\rbrace",
    "\\sim", "\\vert", "\\%", "\\#", "\\&", "\\_",
}  # fmt: skip
GREEK = re.compile(r"\\(?:[A-Z]?[a-z]+)")


@given(label=labels)
@example("\\")
@example("a_b")
@example("\u202e")
def test_no_label_is_a_command_a_comment_or_the_end_of_a_formula(label: str) -> None:
    latex = in_latex(label)
    commands = COMMANDS.findall(latex)
    assert all(
        c in ALLOWED or (GREEK.fullmatch(c) and latex == c) or re.fullmatch(r"\\\w+_\{\w+\}'*|\\\w+'*", latex)
        for c in commands
    )
    rest = COMMANDS.sub("", latex)
    assert not set(rest) & set("\\$%#&~`\n\u202e\u2066")
    assert _balanced(rest)
    assert not re.search(r"<[a-zA-Z/!?]|\^", latex)
    assert "_" not in re.sub(r"_\{", "", rest)


@given(label=labels)
@example("a\u202eb")
@example("שלום\u2069\u202e")
def test_a_label_in_text_stays_in_its_line_and_turns_nothing_around(label: str) -> None:
    drawn = in_text(label)
    assert len(drawn.splitlines()) <= 1
    assert not set(drawn) & set("\u202a\u202b\u202d\u202e\u2066\u2067")
    assert drawn.count("\u2068") == drawn.count("\u2069") <= 1


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def page_of(label: str) -> tuple[str, str, str]:
    a, b = Value(2.0, label), Value(3.0, "b")
    y = (a * b).tanh() + a
    derivation = derive(y, a)
    return str(derivation), derivation.markdown(), derivation.latex()


def check_structure(label: str) -> None:
    """As many lines, formulas and displays as with any other label that is as long."""
    reference = page_of("ab cd" if len(label) <= 16 else "ab cd " * 4)
    for k, (page, other) in enumerate(zip(page_of(label), reference, strict=True)):
        assert page.count("\n") == other.count("\n")
        if k:
            assert page.count("$") == other.count("$")
            assert page.count(r"\end{aligned}") == page.count(r"\begin{aligned}") == other.count(r"\end{aligned}")
            assert page.count(r"\\") == other.count(r"\\")
            assert all(_balanced(re.sub(r"\\[^a-zA-Z]", "", part)) for part in page.split("$"))


@pytest.mark.parametrize("label", HOSTILE, ids=lambda label: ascii(label[:20]))
def test_pages_with_hostile_labels_have_the_same_structure(label: str) -> None:
    check_structure(label)


@given(label=labels)
def test_no_label_breaks_out_of_a_formula(label: str) -> None:
    assume(not re.fullmatch(r"[\w.\[\]]*[.\]][a-z]{1,2}", label))
    check_structure(label)


# ------------------------------------------------------------------------------------------------------- its forms


def test_a_notebook_shows_markdown_and_latex() -> None:
    x = Value(2.0, "x")
    derivation = derive(x * x + x, x)
    assert derivation._repr_markdown_() == derivation.markdown()
    assert derivation._repr_latex_() == derivation.latex()
    assert derivation.markdown().startswith(r"$\frac{\partial L}{\partial x}$, step by step")
    assert derivation.latex().startswith(
        "$$\n\\begin{aligned}\n& \\frac{\\partial L}{\\partial x}\\text{, step by step}"
    )
    assert repr(derivation) == "<derivation of ∂L/∂x = 5.0>"
    assert re.findall(r"\*\*\d\. (.*)\*\*", derivation.markdown()) == headings(str(derivation))


def test_displays_are_short_enough_for_mathjax() -> None:
    x = v = Value(0.5, "x")
    for _ in range(60):
        v = v + v.tanh()
    derivation = derive(v, x)
    for page in (derivation.markdown(), derivation.latex()):
        displays = re.findall(r"\$\$\n(.*?)\n\$\$", page, re.DOTALL)
        assert len(displays) > 10
        assert max(map(len, displays)) < 5000
        assert all(d.startswith("\\begin{aligned}\n") and d.endswith("\n\\end{aligned}") for d in displays)


def test_every_number_has_as_many_digits_as_asked_for() -> None:
    x = Value(1 / 3, "x")
    assert "0.33333333333333331" in str(derive(x * x, x, precision=17))
    assert "0.33·0.33" in str(derive(x * x, x, precision=2))


# ---------------------------------------------------------------------------------------------------------- errors


def test_what_is_not_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"root is float 1\.0"):
        derive(1.0, Value(1.0))  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(TypeError, match="leaf is list"):
        derive(Value(1.0), [Value(1.0)])  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(TypeError, match="mapping"):
        derive(x := Value(1.0), x, names=3)


def test_a_leaf_that_the_root_does_not_depend_on_is_refused_with_those_that_it_does() -> None:
    a, b, c = Value(1.0, "a"), Value(2.0, "b"), Value(3.0, "c")
    with pytest.raises(ValueError, match=r"does not depend on .*label='c'.*are: 'a', 'b'"):
        derive(a * b, c)
    with pytest.raises(ValueError, match="does not depend"):
        derive(a, a * b)


def test_constants_are_refused() -> None:
    w = Value(1.0, "w")
    y = w * 2.0
    with pytest.raises(ValueError, match=r"is a constant.*requires_grad"):
        derive(y, y.parents[1])
    w.requires_grad = False
    with pytest.raises(ValueError, match="is a constant"):
        derive(y, w)


def test_a_stale_graph_is_refused() -> None:
    x = Value(1.0, "x")
    y = x.tanh()
    x.data = 2.0
    with pytest.raises(StaleGraphError, match="forward"):
        derive(y, x)


@pytest.mark.parametrize("options", [{"precision": 0}, {"precision": 18}, {"max_paths": 0}, {"max_nodes": 1.5}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    x = Value(1.0)
    with pytest.raises(ValueError, match=next(iter(options))):
        derive(x * x, x, **options)

// Equations: MathML from the operation table's formulas, with names or numbers in the places of the operands.

/** The parts of a name such as w3, w.0, w[0], x_2 or v₁, which is written with an index. */
const INDEXED = /^(\p{L}{1,2}|\p{L}+(?=[._[₀-₉]))[._]?\[?([0-9₀-₉]+)\]?$/u;

/** A whole equation. */
function equation(...children) {
  return mathml("math", { display: "block" }, mathml("mrow", {}, ...children));
}

function inline(...children) {
  return mathml("math", {}, mathml("mrow", {}, ...children));
}

function operator(sign) {
  return mathml("mo", {}, sign);
}

/** A name. */
function symbol(name) {
  const indexed = INDEXED.exec(name);
  if (!indexed) return identifier(name);
  return mathml("msub", {}, identifier(indexed[1]), mathml("mn", {}, withPlainDigits(indexed[2])));
}

function identifier(name) {
  // One letter is slanted by the browser; a word stays upright.
  return /^\p{L}$/u.test(name) ? mathml("mi", {}, name) : mathml("mtext", {}, name);
}

/** A number; in parentheses, where it follows something that it must not run into. */
function numeral(x, digits, guarded = false) {
  const negative = x < 0;
  const size = format(Math.abs(x), digits);
  const [mantissa, exponent] = size.split("e");
  const signs =
    exponent === undefined
      ? [mathml("mn", {}, mantissa)]
      : [
          mathml("mn", {}, mantissa),
          operator("·"),
          mathml("msup", {}, mathml("mn", {}, "10"), mathml("mn", {}, exponent)),
        ];
  if (negative) signs.unshift(mathml("mo", { form: "prefix" }, MINUS));
  const bracketed = guarded && (negative || exponent !== undefined || guarded === "always");
  return mathml("mrow", {}, ...(bracketed ? [bracket("("), ...signs, bracket(")")] : signs));
}

function bracket(sign) {
  return mathml("mo", { stretchy: "false" }, sign);
}

/** ∂upper/∂lower. */
function derivative(upper, lower) {
  const d = (name) => mathml("mrow", {}, mathml("mi", { mathvariant: "normal" }, "∂"), symbol(name));
  return mathml("mfrac", {}, d(upper), d(lower));
}

/**
 * A formula of the operation table.
 *
 * A tree is [element, attributes?, ...children]; a child is a tree, a text, or the place of an operand, for which
 * `fill(place, guarded)` gives what is to stand there. It is guarded where it follows another factor, or is a base.
 */
function typeset(tree, fill, guarded = false) {
  if (typeof tree === "number") return fill(tree, guarded);
  const [tag, ...rest] = tree;
  const attributes = rest.length && isAttributes(rest[0]) ? rest.shift() : {};
  const children = rest.map((child, k) => {
    if (typeof child === "string") return document.createTextNode(child);
    const isBase = k === 0 && (tag === "msup" || tag === "msub");
    const follows = tag === "mrow" && k > 0 && !endsOpen(rest[k - 1]);
    const signed = tag === "mrow" && k > 0 && isOperation(rest[k - 1]);
    return typeset(child, fill, isBase || (k === 0 && guarded) ? guarded || true : follows ? "always" : signed);
  });
  return mathml(tag, attributes, ...children);
}

function isAttributes(part) {
  return typeof part === "object" && !Array.isArray(part);
}

/** Whether a factor may follow without parentheses: after a sign, a space, or at the beginning. */
function endsOpen(tree) {
  return Array.isArray(tree) && (tree[0] === "mo" || tree[0] === "mspace");
}

function isOperation(tree) {
  return Array.isArray(tree) && tree[0] === "mo" && ["+", MINUS, "-", "⋅", "·"].includes(tree[tree.length - 1]);
}

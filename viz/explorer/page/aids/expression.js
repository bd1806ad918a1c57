// What nodes stand for, written as the code has it: tanh(a·b + c). Every part knows the node that it is.

/** The whole expression is written if it has no more parts than this; of a larger one what a step is about. */
const WHOLE = 30;
const STATEMENT = 14;
/** Of more operands than this the first ones and the last are written. */
const OPERANDS = 6;

/**
 * What node i is, as a tree of {node, operands}; operands is null where a name is written and not what it stands for.
 * It is written out breadth first, until it has `budget` parts, and not beyond nodes that `stops`.
 */
function expressionOf(model, i, budget, stops = () => false) {
  const top = { node: i, operands: null };
  const queue = [top];
  let size = 1;
  let complete = true;
  for (let k = 0; k < queue.length; k++) {
    const { node } = queue[k];
    const operands = model.operands[node];
    if (!operands.length || (k && stops(node))) continue;
    const many = operands.length > OPERANDS;
    const written = many ? [...operands.slice(0, OPERANDS - 2), null, operands.at(-1)] : operands;
    if (many) complete = false;
    if (k && size + written.length > budget) {
      complete = false;
      continue;
    }
    size += written.length;
    queue[k].operands = written.map((operand) => operand !== null && { node: operand, operands: null });
    queue.push(...queue[k].operands.filter(Boolean));
  }
  return { top, complete };
}

/** A tree in pieces: texts, names {name} and parts {node, pieces}; in brackets, if it binds less than `level`. */
function piecesOf(model, tree, level = 0) {
  if (!tree) return ["…"];
  const { node, operands } = tree;
  const { binds, pieces } = operands ? written(model, node, operands) : named(model, node);
  return [{ node, pieces: binds < level ? ["(", ...pieces, ")"] : pieces }];
}

function named(model, i) {
  const { name } = model.nodes[i];
  const text = name ?? format(model.data[i]);
  const loose = name === undefined ? model.data[i] < 0 : !SYMBOL.test(name);
  return { binds: loose ? 0 : 4, pieces: [{ name: text }] };
}

function written(model, i, operands) {
  const { between, level } = model.record(i);
  if (!between) {
    const list = operands.flatMap((operand, k) => [...(k ? [", "] : []), ...piecesOf(model, operand)]);
    return { binds: 4, pieces: [`${model.nodes[i].op}(`, ...list, ")"] };
  }
  // What stands to the right of a sign binds more tightly than it; a power's exponent may be another power.
  const least = (k) => (between.length < 3 ? 2 : level === 3 ? (k ? 3 : 4) : level + k);
  const pieces = operands.flatMap((operand, k) => [between[k], ...piecesOf(model, operand, least(k))]);
  return { binds: level, pieces: [...pieces, between.at(-1)].filter((piece) => piece !== "") };
}

/** What a computed node stands for, as text: written out down to what has a name in the code. */
function standsFor(model, i) {
  const { top } = expressionOf(model, i, STATEMENT, (j) => !isNumbered(model, j));
  const flat = (pieces) =>
    pieces.map((piece) => (piece.pieces ? flat(piece.pieces) : (piece.name && apart(piece.name)) || piece)).join("");
  const [{ pieces }] = piecesOf(model, top);
  return flat(pieces);
}

/** Whether a node has no name but the one that the page has given to it, such as v₁. */
function isNumbered(model, i) {
  return model.nodes[i].label === undefined && /^[vuts][₀-₉]+$/.test(model.nodes[i].name ?? "");
}

/** The expression above the picture, in which the part that a step is about is marked. */
class ExpressionBar {
  constructor() {
    this.element = byId("expression");
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  load(model) {
    this.model = model;
    const { top, complete } = expressionOf(model, model.root, WHOLE);
    this.whole = complete;
    this.element.hidden = !model.evaluated.length;
    this.at = undefined;
    if (complete) this.write(model.root, top);
  }

  /** Writes "name = expression". */
  write(i, tree) {
    const { model } = this;
    this.parts = new Map();
    const built = (pieces) => pieces.map((piece) => this.built(piece, built));
    const [{ pieces }] = piecesOf(model, tree);
    const title = html("span", { class: "part" }, isolated(model.symbolName(i)));
    this.parts.set(i, [title]);
    const whole = html("span", { class: "part" }, ...built(pieces));
    this.parts.get(i).push(whole);
    this.element.replaceChildren(title, " = ", whole);
    // Not now: the browser would have to lay out the page before it is finished.
    if (this.whole) requestAnimationFrame(() => this.fit());
    else this.scrolls = false;
  }

  built(piece, built) {
    if (typeof piece === "string") return piece;
    if (piece.name !== undefined) return isolated(piece.name);
    const part = html("span", { class: "part" }, ...built(piece.pieces));
    if (!this.parts.has(piece.node)) this.parts.set(piece.node, []);
    this.parts.get(piece.node).push(part);
    return part;
  }

  /** What does not fit can be scrolled, by keys as well. */
  fit() {
    this.scrolls = this.element.scrollWidth > this.element.clientWidth;
    if (this.scrolls) this.element.setAttribute("tabindex", "0");
    else this.element.removeAttribute("tabindex");
  }

  show(walk, step) {
    const { node, phase } = walk.at(step);
    const about = node ?? this.model.root;
    if (!this.whole && this.at !== about) {
      const { top } = expressionOf(this.model, about, STATEMENT, (j) => !isNumbered(this.model, j));
      this.write(about, top);
    }
    this.at = about;
    for (const [i, parts] of this.parts) {
      const classes = ["part", ...(i === node ? ["now", phase] : walk.isEvaluated(i, step) ? [] : ["later"])].join(" ");
      for (const part of parts) setAttribute(part, "class", classes);
    }
    const first = this.scrolls && node !== null && this.parts.get(node)?.at(-1);
    if (first) this.element.scrollLeft = first.offsetLeft - this.element.clientWidth / 3;
  }
}

// The graph, and the sweeps over it: evaluation from the leaves up, the chain rule from the output down.

/** A name that can stand in a formula: w3, layers[0].w[1], ŷ′. */
const SYMBOL = /^[\p{L}_][\p{L}\p{N}\p{M}_.'′₀-₉[\]]*$/u;

class Model {
  constructor(graph) {
    this.nodes = graph.nodes;
    this.operations = graph.operations;
    this.modules = graph.modules;
    this.count = this.nodes.length;
    this.root = this.count - 1;
    this.operands = this.nodes.map((node) => node.operands ?? []);
    this.uses = this.nodes.map(() => []);
    this.operands.forEach((operands, user) => operands.forEach((i, position) => this.uses[i].push({ user, position })));
    const all = [...this.nodes.keys()];
    this.evaluated = all.filter((i) => this.nodes[i].op);
    this.update(graph.numbers);
  }

  /** Takes new numbers, after leaves were set. */
  update(numbers) {
    this.data = numbers.data.map(decoded);
    this.grad = numbers.grad.map(decoded);
    this.partials = numbers.partials.map((row) => row.map(decoded));
    this.right = this.sweep(this.topological());
    // The engine's own sums, where rounding depends on the order within a node.
    this.right.adjoint = numbers.adjoint.map(decoded);
    const orders = [this.depthFirst(false), this.depthFirst(true)].map((order) => this.sweep(order));
    this.wrong = orders.find((sweep) => this.mistakes(sweep).length) ?? orders[0];
    const shares = this.right.arrivals
      .flat()
      .map((arrival) => Math.abs(arrival.amount))
      .filter(Number.isFinite);
    this.strongest = shares.reduce((a, b) => Math.max(a, b), 0);
  }

  isConstant(i) {
    return Boolean(this.nodes[i].constant) && i !== this.root;
  }

  isLeaf(i) {
    return !this.nodes[i].op;
  }

  record(i) {
    return this.operations[this.nodes[i].op];
  }

  /** What it is called: a constant by its number. */
  name(i) {
    return this.nodes[i].name ?? format(this.data[i]);
  }

  /** What stands for it in formulas: an output that is called by something longer than a name is L. */
  symbolName(i) {
    const name = this.name(i);
    if (i !== this.root || SYMBOL.test(name)) return name;
    return this.nodes.some((node) => node.name === "L") ? "F" : "L";
  }

  /** Its name within a plain text. */
  spoken(i) {
    return apart(this.name(i));
  }

  /** A constant with its name, if it has one. */
  described(i) {
    const { name } = this.nodes[i];
    return [name && apart(name), format(this.data[i])].filter(Boolean).join(" = ");
  }

  /** Its whole name, with the module that it belongs to. */
  fullName(i) {
    const { label, module } = this.nodes[i];
    return label ?? (module === undefined ? this.name(i) : `${this.modules[module].path}.${this.name(i)}`);
  }

  /** The leaves that get gradients, by name. */
  leaves() {
    this.sortedLeaves ??= this.sortLeaves();
    return this.sortedLeaves;
  }

  sortLeaves() {
    const found = [...this.nodes.keys()].filter((i) => this.isLeaf(i) && !this.nodes[i].constant);
    const collator = new Intl.Collator("en", { numeric: true });
    const names = new Map(found.map((i) => [i, withPlainDigits(this.fullName(i))]));
    return found.sort((a, b) => collator.compare(names.get(a), names.get(b)) || a - b);
  }

  /** Each node before its operands: the reverse of the order in which they are numbered. */
  topological() {
    return [...this.nodes.keys()].reverse().filter((i) => !this.isConstant(i));
  }

  /** Each node as soon as it is reached, whether or not other uses of it are still to come; leaves, as always, last. */
  depthFirst(lastOperandFirst) {
    const order = [];
    const seen = new Uint8Array(this.count);
    const stack = [this.root];
    while (stack.length) {
      const i = stack.pop();
      if (seen[i]) continue;
      seen[i] = 1;
      order.push(i);
      const operands = this.operands[i].filter((operand) => !this.isConstant(operand));
      stack.push(...(lastOperandFirst ? operands : operands.reverse()));
    }
    return [...order.filter((i) => !this.isLeaf(i)), ...order.filter((i) => this.isLeaf(i))];
  }

  /** The backward sweep in a given order: what arrives at each node, from which use, at which place of the order. */
  sweep(order) {
    const adjoint = new Array(this.count).fill(0);
    const arrivals = this.nodes.map(() => []);
    const position = new Int32Array(this.count).fill(-1);
    const passed = new Array(this.count).fill(NaN);
    adjoint[this.root] = 1;
    order.forEach((user, step) => {
      position[user] = step;
      const g = (passed[user] = adjoint[user]);
      this.operands[user].forEach((operand, place) => {
        if (this.isConstant(operand)) return;
        const partial = this.partials[user][place];
        const amount = contribution(g, partial);
        adjoint[operand] += amount;
        arrivals[operand].push({ user, place, partial, adjoint: g, amount, step });
      });
    });
    const amount = ({ user, place }) => contribution(passed[user], this.partials[user][place]);
    return { order, adjoint, arrivals, position, passed, amount };
  }

  /** Nodes that a sweep gave another gradient than the right one, or that passed on another. */
  mistakes(sweep) {
    return this.topological().filter((i) => {
      const right = this.right.adjoint[i];
      return differs(sweep.adjoint[i], right) || differs(sweep.passed[i], right);
    });
  }

  /** Everything that a node was computed from, or that was computed from it. */
  reached(start, next) {
    const found = new Set();
    const stack = [start];
    while (stack.length) {
      for (const i of next(stack.pop())) {
        if (!found.has(i)) {
          found.add(i);
          stack.push(i);
        }
      }
    }
    return found;
  }

  ancestors(i) {
    return this.reached(i, (j) => this.operands[j]);
  }

  descendants(i) {
    return this.reached(i, (j) => this.uses[j].map((use) => use.user));
  }

  /** The formula of a local derivative, by the place of the operand; null if there is none. */
  partialFormula(i, place) {
    const record = this.record(i);
    if (record.arity >= 0) return record.partials[place] ?? null;
    const length = (this.operands[i].length - record.singles) / record.sequences;
    const group =
      place < length * record.sequences
        ? Math.floor(place / length)
        : record.sequences + place - length * record.sequences;
    const tree = record.partials[group] ?? null;
    return tree && place < length * record.sequences ? this.atIndex(i, tree, place % length, length) : tree;
  }

  /** A formula of one of many operands, with the number of that one for its index, and names where operands have one. */
  atIndex(i, tree, k, length) {
    if (!Array.isArray(tree)) return tree;
    const { letters, index } = this.record(i);
    const isIndex = (part) => Array.isArray(part) && part[0] === "mi" && part[1] === index;
    if (isIndex(tree)) return ["mn", String(k)];
    const sequence = tree[0] === "msub" && isIndex(tree[2]) ? letters.indexOf(tree[1][1]) : -1;
    if (sequence >= 0) {
      const position = sequence * length + k;
      if (this.nodes[this.operands[i][position]].name !== undefined) return -2 - position;
    }
    return tree.map((part) => this.atIndex(i, part, k, length));
  }

  /** The operand that stands at a place of a formula; in one of many operands the second place is the last operand. */
  operandAt(i, place) {
    const operands = this.operands[i];
    if (place < -1) return operands[-2 - place]; // see atIndex
    if (place < 0) return i;
    return this.record(i).arity >= 0 ? operands[place] : operands[place ? operands.length - 1 : 0];
  }
}

/** What passes along an edge; as in the engine, 0 passes on nothing, not even 0 times infinity. */
function contribution(adjoint, partial) {
  return adjoint === 0 || partial === 0 ? 0 : adjoint * partial;
}

function differs(a, b) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) !== Number.isNaN(b);
  return a !== b && !(Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b)));
}

/**
 * The steps of a walk: the beginning, the evaluation node by node, the backward sweep node by node, the end.
 */
class Walk {
  constructor(model, sweep) {
    this.model = model;
    this.sweep = sweep;
    this.forwardSteps = model.evaluated.length;
    this.last = this.forwardSteps + sweep.order.length + 1;
    this.forwardStep = new Int32Array(model.count).fill(0);
    model.evaluated.forEach((i, k) => (this.forwardStep[i] = k + 1));
  }

  /** The step at which a node passes its gradient on; constants have none. */
  backwardStep(i) {
    const position = this.sweep.position[i];
    return position < 0 ? Infinity : this.forwardSteps + 1 + position;
  }

  /** What happens at a step: its phase, and the node that it is about, if any. */
  at(step) {
    if (step <= 0) return { phase: "start", node: null };
    if (step <= this.forwardSteps) return { phase: "forward", node: this.model.evaluated[step - 1], number: step };
    if (step >= this.last) return { phase: "end", node: null };
    const number = step - this.forwardSteps;
    return { phase: "backward", node: this.sweep.order[number - 1], number };
  }

  isEvaluated(i, step) {
    return this.forwardStep[i] <= step;
  }

  /** The contributions that have come to a node by a step, that step's own included. */
  arrived(i, step) {
    return this.sweep.arrivals[i].filter((arrival) => this.forwardSteps + 1 + arrival.step <= step);
  }

  /** What a node shows at a step. */
  state(i, step) {
    const evaluated = this.isEvaluated(i, step);
    if (step <= this.forwardSteps || this.model.isConstant(i)) return { evaluated, adjoint: null, gradient: "none" };
    const uses = this.sweep.arrivals[i].length;
    const passed = this.backwardStep(i) <= step;
    if (step >= this.last) return { evaluated, adjoint: this.sweep.adjoint[i], gradient: "passed" };
    if (i === this.model.root) return { evaluated, adjoint: 1, gradient: passed ? "passed" : "complete" };
    const arrivals = this.arrived(i, step);
    if (!arrivals.length) return { evaluated, adjoint: null, gradient: "none" };
    const whole = arrivals.length === uses;
    const adjoint = whole ? this.sweep.adjoint[i] : arrivals.reduce((sum, arrival) => sum + arrival.amount, 0);
    const missing = uses - arrivals.length;
    return { evaluated, adjoint, gradient: passed ? "passed" : whole ? "complete" : "partial", missing };
  }
}

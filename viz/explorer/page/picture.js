// The drawing, and what it shows at a step: only what looks different from before is touched.

const THINNEST = 1.2;
const THICKEST = 4;
const MANY = 400;
/** Of more cards than this only those are drawn that are in sight, or so far beside it as a share of it. */
const ALL_DRAWN = 300;
const BESIDE = 0.3;

class Picture {
  constructor(camera) {
    this.camera = camera;
    this.layers = {};
    for (const name of ["frames", "edges", "labels", "cards"]) {
      this.layers[name] = svg("g", { class: name });
      camera.scene.append(this.layers[name]);
    }
  }

  /** Draws the graph anew, with these modules closed. */
  draw(model, collapsed, direction) {
    this.model = model;
    this.direction = direction;
    this.shown = cardOfEach(model, collapsed);
    const { items, groups } = contents(model, collapsed, this.shown);
    const edges = connections(model, this.shown);
    const layout = layOut(items, groups, edges, direction);
    this.frames = new Map();
    for (const group of groups.values()) {
      this.frames.set(group.key, drawFrame(model, group, layout.groups.get(group.key)));
    }
    this.cards = new Map();
    for (const item of items.values()) this.cards.set(item.key, emptyCard(model, item, layout.items.get(item.key)));
    this.edges = curves(edges, items, layout, direction).map((edge) => ({ ...edge, line: null, label: null, seen: false }));
    this.view = null;
    this.culls = this.cards.size > ALL_DRAWN;
    for (const name of ["edges", "labels"]) this.layers[name].replaceChildren();
    if (this.culls) for (const { group } of this.cards.values()) group.setAttribute("display", "none");
    else this.seeAll();
    this.layers.frames.replaceChildren(...this.frames.values());
    this.layers.cards.replaceChildren(...[...this.cards.values()].map((card) => card.group));
    this.camera.extent = extentOf(items, layout);
    // Dashed lines take browsers long to draw.
    this.camera.canvas.classList.toggle("many", this.edges.length > MANY);
  }

  drawEdge(edge) {
    const { x, y } = edge.spot;
    const place = { x: x.toFixed(1), y: (y + 4).toFixed(1), "text-anchor": "middle" };
    edge.constant = edge.uses.every((use) => this.model.isConstant(use.operand));
    edge.line = svg("path", { d: edge.path });
    edge.label = edge.constant ? null : svg("text", place);
  }

  // ---------------------------------------------------------------------------------------------- what is in sight

  seeAll() {
    for (const card of this.cards.values()) this.seeCard(card, true);
    for (const edge of this.edges) this.seeEdge(edge, true);
  }

  /** Draws what has come into sight, and takes away what has left it, where there is much to draw. */
  cull() {
    if (!this.culls) return;
    const sight = this.camera.view();
    const [dx, dy] = [BESIDE * sight.width, BESIDE * sight.height];
    const within = ({ x, y, width, height }) =>
      x < sight.x + sight.width + dx && x + width > sight.x - dx && y < sight.y + sight.height + dy && y + height > sight.y - dy;
    const fresh = [];
    for (const card of this.cards.values()) {
      const { left, top, width, height, group } = card;
      const seen = within({ x: left, y: top, width, height }) || group.getAttribute("tabindex") === "0";
      if (seen !== card.seen) this.seeCard(card, seen);
      else continue;
      if (seen) fresh.push(card);
    }
    for (const edge of this.edges) {
      const seen = within(edge.box);
      if (seen !== edge.seen) this.seeEdge(edge, seen);
      else continue;
      if (seen) fresh.push(edge);
    }
    if (!this.view) return;
    for (const thing of fresh) {
      if (thing.group) this.showCard(thing, this.view, this.marked);
      else this.showEdge(thing, this.view, this.marked);
    }
  }

  seeCard(card, seen) {
    card.seen = seen;
    if (seen && !card.filled) fillCard(this.model, card);
    if (seen) card.group.removeAttribute("display");
    else card.group.setAttribute("display", "none");
  }

  seeEdge(edge, seen) {
    edge.seen = seen;
    if (!edge.line) this.drawEdge(edge);
    if (seen) this.layers.edges.append(edge.line);
    else edge.line.remove();
    if (seen && edge.label) this.layers.labels.append(edge.label);
    else edge.label?.remove();
  }

  /** The card of a node, or of the closed module that it is in. */
  cardOf(i) {
    return this.cards.get(this.shown[i]);
  }

  /** What can have the focus: a card, or what closes a module. */
  target(key) {
    return this.cards.get(key)?.group ?? this.frames.get(key)?.querySelector(".closer");
  }

  // ---------------------------------------------------------------------------------------------- what a step shows

  /**
   * Shows a step. `view` has walk and step; selected, a node or null; found, the nodes that a search found, or null;
   * and mistaken, the nodes that get a wrong gradient, or null.
   */
  show(view) {
    const marks = this.marks(view);
    this.view = view;
    this.marked = marks;
    this.camera.canvas.classList.toggle("forward", view.step <= view.walk.forwardSteps);
    for (const card of this.cards.values()) if (card.seen) this.showCard(card, view, marks);
    for (const edge of this.edges) if (edge.seen) this.showEdge(edge, view, marks);
  }

  showCard(card, view, marks) {
    const classes = [card.classes, ...marks.of(card.key)];
    if (card.node === undefined) this.showModule(card, classes, view);
    else this.showNode(card, classes, view);
    setAttribute(card.group, "class", classes.join(" "));
  }

  /** Which cards are marked as what: the active one, the selected one and its kin, those found. */
  marks({ walk, step, selected, found }) {
    const { node } = walk.at(step);
    const active = node === null ? null : this.shown[node];
    const keysOf = (nodes) => new Set([...nodes].map((i) => this.shown[i]));
    if (selected === null) {
      const hits = found && keysOf(found);
      const mark = (key) => (hits === null ? [] : [hits.has(key) ? "found" : "aside"]);
      return { of: (key) => [...(key === active ? ["active"] : []), ...mark(key)], ofEdge: () => [] };
    }
    const here = this.shown[selected];
    const ancestors = keysOf(this.model.ancestors(selected));
    const descendants = keysOf(this.model.descendants(selected));
    const kin = (key) => {
      if (key === here) return "selected";
      return ancestors.has(key) ? "ancestor" : descendants.has(key) ? "descendant" : "aside";
    };
    const within = (nodes, ...keys) => keys.every((key) => key === here || nodes.has(key));
    return {
      of: (key) => [...(key === active ? ["active"] : []), kin(key)],
      ofEdge: ({ source, target }) => {
        if (within(ancestors, source, target)) return ["of-ancestor"];
        return [within(descendants, source, target) ? "of-descendant" : "aside"];
      },
    };
  }

  showModule(card, classes, { walk, step, mistaken }) {
    if (card.nodes.some((i) => mistaken?.has(i) && walk.backwardStep(i) <= step)) classes.push("mistaken");
    const { path } = this.model.modules[card.module];
    setAttribute(card.group, "aria-label", `${apart(path)}: module of ${plural(card.nodes.length, "node")}, collapsed`);
  }

  showNode(card, classes, { walk, step, mistaken }) {
    const { model } = this;
    const i = card.node;
    const state = walk.state(i, step);
    setAttribute(card.group, "aria-pressed", String(classes.includes("selected")));
    if (!state.evaluated) classes.push("waiting");
    if (mistaken?.has(i) && walk.backwardStep(i) <= step) classes.push("mistaken");
    setAttribute(card.group, "aria-label", spokenNode(model, i, state));
    if (!card.text.data) return;
    const { adjoint, gradient } = state;
    setText(card.text.data, state.evaluated ? format(model.data[i]) : "·");
    setText(card.text.grad, adjoint === null ? "·" : format(adjoint) + (gradient === "partial" ? "…" : ""));
    setAttribute(card.text.grad, "class", `number grad ${adjoint === null ? "zero" : signOf(adjoint)}`);
  }

  showEdge(edge, { walk, step }, marks) {
    const { node } = walk.at(step);
    const backward = step > walk.forwardSteps;
    const come = backward && !edge.constant ? edge.uses.filter((use) => walk.backwardStep(use.user) <= step) : [];
    const share = come.reduce((sum, use) => sum + walk.sweep.amount(use), 0);
    const classes = [];
    if (come.length) classes.push("passed", signOf(share));
    else if (!edge.uses.some((use) => walk.isEvaluated(use.user, step))) classes.push("waiting");
    if (node !== null && edge.uses.some((use) => use.user === node)) classes.push("flowing");
    classes.push(...marks.ofEdge(edge));
    setAttribute(edge.line, "class", ["edge", ...(edge.constant ? ["of-constant"] : []), ...classes].join(" "));
    setAttribute(edge.line, "stroke-width", this.width(come.length ? share : 0).toFixed(1));
    if (!edge.label) return;
    const [{ user, place }, ...others] = edge.uses;
    const number = others.length ? `×${others.length + 1}` : backward ? format(this.model.partials[user][place]) : "";
    setText(edge.label, number);
    setAttribute(edge.label, "class", ["partial", ...classes].join(" "));
  }

  width(share) {
    if (!Number.isFinite(share)) return THICKEST;
    if (share === 0 || this.model.strongest === 0) return THINNEST;
    // The square root keeps shares of a hundredth apart from shares of nothing.
    return THINNEST + (THICKEST - THINNEST) * Math.sqrt(Math.min(1, Math.abs(share) / this.model.strongest));
  }
}

/** A node in words, for screen readers. */
function spokenNode(model, i, { evaluated, adjoint, gradient }) {
  if (model.isConstant(i)) return `constant ${model.described(i)}`;
  const made = model.isLeaf(i) ? "leaf" : model.nodes[i].op;
  const data = evaluated ? `value ${format(model.data[i])}` : "not evaluated yet";
  const soFar = gradient === "partial" ? " so far" : "";
  return [model.spoken(i), made, data, ...(adjoint === null ? [] : [`gradient ${format(adjoint)}${soFar}`])].join(", ");
}

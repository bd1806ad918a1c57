// The page: what is shown, and the controls that change it.

const graph = JSON.parse(byId("graph").textContent);
const embedded = window.parent !== window;
/** Graphs of at most so many cards are laid out both ways. */
const FEW = 400;
/** On a phone modules are open at first as long as there are no more cards than this. */
const ON_A_PHONE = 24;

class Explorer extends Stepper {
  constructor() {
    super();
    this.main = new Model(graph.main);
    this.camera = new Camera(byId("canvas"), { embedded });
    this.picture = new Picture(this.camera);
    this.minimap = new Minimap(this.camera, this.picture);
    this.camera.changed = () => {
      this.picture.cull();
      this.minimap.drawSoon();
    };
    this.panel = new Panel({
      select: (i) => this.select(i, { reveal: true }),
      go: (step) => this.go(step),
      collapse: (k) => this.toggle(k, true),
      refresh: () => this.show(),
      live: Boolean(graph.live),
    });
    this.orderMode = new OrderMode({
      order: (name) => this.reorder(name),
      example: () => this.playExample(),
      graph: () => this.load(this.main, false),
      leave: () => this.explainOrder(false),
    });
    this.links = new Links(this);
    this.bar = new ExpressionBar();
    this.order = "topological";
    this.explaining = false;
    this.opening = this.main.evaluated.length > 0;
    this.load(this.main, false);
    if (graph.live) this.live = new Live(this.main, graph.live, () => this.refresh());
    listen(this);
    this.links.read();
    document.documentElement.dataset.ready = "true";
  }

  /** Shows another graph, from its end. */
  load(model, isExample) {
    this.pause();
    this.model = model;
    this.isExample = isExample;
    this.selected = null;
    this.found = null;
    this.bar.load(model);
    showFound(model, null);
    this.collapsed = new Set([...model.modules.keys()].filter((k) => model.modules[k].collapsed));
    if (!graph.expanded && this.camera.size().width < NARROW) this.collapsed = closedAtFirst(model, ON_A_PHONE);
    byId("modules").hidden = !model.modules.length;
    this.walk = new Walk(model, this.sweep());
    this.step = this.walk.last;
    this.drawAnew();
    this.camera.begin(this.picture.cardOf(model.root));
    if (isExample) this.step = 0;
    this.show();
  }

  /** The smallest graph in which another order is wrong, in that order, by itself. */
  playExample() {
    this.opening = false;
    this.order = "depth-first";
    this.load(new Model(graph.example), true);
    this.play();
  }

  /** From the last value on, backward. */
  watch() {
    this.go(this.walk.forwardSteps);
    this.play();
  }

  sweep() {
    return this.order === "depth-first" ? this.model.wrong : this.model.right;
  }

  /** As was asked; or else in a wide window to the right, in a high one down. */
  usualDirection() {
    const { width, height } = this.camera.size();
    return graph.direction ?? (height > 0.85 * width ? "TB" : "LR");
  }

  /** Draws everything in the usual direction, or in the other one, if only there numbers can be read. */
  drawAnew() {
    this.usual = this.direction = this.usualDirection();
    this.redraw();
    const scale = this.camera.fittingScale();
    if (graph.direction || scale >= NUMBERS_READABLE || this.picture.cards.size > FEW) return;
    this.direction = this.usual === "LR" ? "TB" : "LR";
    this.redraw();
    if (this.camera.fittingScale() > 1.2 * scale) return;
    this.direction = this.usual;
    this.redraw();
  }

  /** Draws cards and edges anew, after modules were opened or closed. */
  redraw() {
    const key = document.activeElement?.closest?.("[data-key]")?.dataset.key;
    this.picture.draw(this.model, this.collapsed, this.direction);
    // What closed a module has become what opens it, or the other way round.
    const other = key?.replace(/^[gm]/, (letter) => (letter === "g" ? "m" : "g"));
    const kept = [key, other].find((candidate) => candidate && this.picture.target(candidate));
    this.focusable(kept);
    if (kept) this.picture.target(kept).focus();
  }

  /** New numbers for the same graph. */
  refresh() {
    this.walk = new Walk(this.model, this.sweep());
    this.show();
  }

  // ---------------------------------------------------------------------------------------------- steps

  go(step, { quiet = false } = {}) {
    const before = this.step;
    this.opening = false;
    this.step = Math.max(0, Math.min(this.walk.last, Math.round(step)));
    if (this.step !== before) this.panel.unfolded = false;
    this.show();
    const { node } = this.walk.at(this.step);
    const card = node === null ? null : this.picture.cardOf(node);
    if (this.timer) this.follow(card);
    else if (card && !this.camera.fitted) this.camera.reveal(card);
    if (!quiet) this.links.write();
  }

  /** While it plays: to where the numbers of a card can be read, and back to everything at the end. */
  follow(card) {
    const glides = this.delay() >= 250;
    if (card) this.followed = this.camera.follow(card, glides) || this.followed;
    else if (this.followed && this.step === this.last) {
      this.followed = false;
      this.camera.begin(this.picture.cardOf(this.model.root));
    }
  }

  /** To the next step that is about something else that is seen: over the inside of a closed module. */
  stepOver(direction) {
    const seen = (step) => {
      const { phase, node } = this.walk.at(step);
      return `${phase} ${node === null ? "" : this.picture.shown[node]}`;
    };
    const here = seen(this.step);
    let step = this.step;
    do step += direction;
    while (step > 0 && step < this.walk.last && seen(step) === here);
    this.go(step);
  }

  show() {
    const { walk, step } = this;
    const mistaken = this.order === "depth-first" ? new Set(this.model.mistakes(walk.sweep)) : null;
    this.picture.show({ walk, step, selected: this.selected, found: this.found, mistaken });
    this.bar.show(walk, step);
    this.minimap.drawSoon();
    byId("opening").hidden = !this.opening;
    refreshHint(this);
    const spoken = this.panel.show(walk, step);
    if (!this.timer || this.delay() >= 1000) setText(byId("status"), spoken);
    this.showControls();
    byId("selected").hidden = this.selected === null;
    if (this.selected !== null) {
      byId("selected-title").replaceChildren(isolated(this.model.name(this.selected)));
      byId("selected-body").replaceChildren(...detailsOf(this.model, this.selected, walk, this.panel.actions));
    }
    byId("order").hidden = !this.explaining;
    if (this.explaining) this.orderMode.show(this.model, this.order, walk, step, this.isExample);
  }

  showControls() {
    super.showControls();
    const { walk, step } = this;
    byId("scrubber").style.setProperty("--evaluated", `${(100 * (walk.forwardSteps + 0.5)) / walk.last}%`);
  }

  get last() {
    return this.walk.last;
  }

  /** What a step is, in a few words. */
  titleOf(step) {
    const { phase, node } = this.walk.at(step);
    return node === null ? phase : `${phase}, ${this.model.name(node)}`;
  }

  // ---------------------------------------------------------------------------------------------- order

  explainOrder(on) {
    this.explaining = on;
    byId("why").setAttribute("aria-pressed", String(on));
    if (!on && this.isExample) this.load(this.main, false);
    this.reorder(on ? this.order : "topological", { keep: on });
    if (on) byId("order").scrollIntoView({ block: "nearest" });
  }

  reorder(order, { keep = false } = {}) {
    this.order = order;
    const { step, walk } = this;
    this.walk = new Walk(this.model, this.sweep());
    if (!keep && step > walk.forwardSteps && step < walk.last) this.step = walk.forwardSteps;
    this.go(this.step);
  }

  // ---------------------------------------------------------------------------------------------- nodes and modules

  select(i, { reveal = false } = {}) {
    this.selected = i;
    if (i !== null) {
      const card = this.picture.cardOf(i);
      this.focusable(card.key);
      if (reveal) this.camera.reveal(card, { near: true });
    }
    this.show();
    this.links.write();
  }

  activate(key) {
    const card = this.picture.cards.get(key);
    if (!card) this.toggle(Number(key.slice(1)), true);
    else if (card.node === undefined) this.toggle(card.module, false);
    else this.select(this.selected === card.node ? null : card.node);
    if (this.selected !== null) byId("selected").scrollIntoView({ block: "nearest" });
  }

  /** Closes or opens a module. */
  toggle(k, close) {
    const fitted = this.camera.fitted;
    const spot = () => {
      const card = this.picture.cards.get(`m${k}`);
      const frame = this.picture.frames.get(`g${k}`)?.querySelector(".closer .ring");
      return card
        ? { x: card.left, y: card.top }
        : frame && { x: Number(frame.getAttribute("x")), y: Number(frame.getAttribute("y")) };
    };
    this.camera.holding(
      spot,
      () => {
        if (close) this.collapsed.add(k);
        else this.collapsed.delete(k);
        this.redraw();
      },
      spot,
    );
    if (fitted) this.camera.fit();
    this.show();
    setText(byId("status"), `${this.model.modules[k].path} ${close ? "collapsed" : "expanded"}.`);
  }

  toggleAll(close) {
    this.collapsed = new Set(close ? this.model.modules.keys() : []);
    this.drawAnew();
    this.camera.begin(this.picture.cardOf(this.model.root));
    this.show();
  }

  /** In the order of evaluation. */
  targets() {
    const keys = [...new Set(this.picture.shown)];
    return [...this.picture.frames.keys(), ...keys];
  }

  /** The card that can be tabbed to, if none was reached yet. */
  homeKey() {
    return this.picture.shown[this.model.root];
  }

  // ---------------------------------------------------------------------------------------------- search, links, hints

  /** What is found stands on top of the panel, too. */
  search(query, move = 0) {
    this.opening = false;
    super.search(query, move);
    const hits = this.found && [...this.found];
    showFound(this.model, hits, this.hit, (k) => {
      this.hit = k - 1;
      this.search(query, 1);
    });
  }

  hitsOf(query) {
    return [...this.model.nodes.keys()].filter((i) => matches(this.model, i, query));
  }

  /** What an address holds, such as #step=12&node=3. */
  place() {
    const { step, order, selected, isExample } = this;
    return {
      step,
      ...(order === "topological" ? {} : { order }),
      ...(selected === null || isExample ? {} : { node: selected }),
    };
  }

  /** To what an address says. */
  goTo(parameters) {
    const number = (name) => Number(parameters.get(name) ?? NaN);
    if (parameters.get("order") === "depth-first") {
      this.order = "depth-first";
      this.explainOrder(true);
    }
    if (this.model.nodes[number("node")]) this.select(number("node"));
    if (Number.isFinite(number("step"))) this.go(number("step"), { quiet: true });
  }

  /** What the pointer shows over a card. */
  about(card) {
    return card.node === undefined
      ? aboutModule(this.model, card)
      : aboutNode(this.model, card.node, this.walk, this.step);
  }

  /** After the window has changed its size. */
  resized() {
    if (this.usualDirection() !== this.usual) {
      this.drawAnew();
      this.show();
    }
    if (this.camera.fitted) this.camera.fit();
  }
}

/** Whether a node's label, name or operation has this text in it; digits may be written as indices or not. */
function matches(model, i, query) {
  const wanted = normal(query.trim());
  if (!wanted) return true;
  const node = model.nodes[i];
  const texts = [node.label, model.name(i), node.op, model.record(i)?.symbol];
  return texts.some((text) => text !== undefined && normal(text).includes(wanted));
}

const explorer = new Explorer();

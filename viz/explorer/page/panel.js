// The explanation beside the picture: a step's equation, the sum of the chain rule with numbers, what is passed on.

/** Rows of a table that are shown before "and so many more". */
const ROWS = 12;

class Panel {
  constructor(actions) {
    this.actions = actions; // what the buttons in it do: select(i), go(step)
    this.unfolded = false;
  }

  get model() {
    return this.walk.model;
  }

  /** Explains a step. Returns what a screen reader is to say. */
  show(walk, step) {
    this.walk = walk;
    const now = walk.at(step);
    const [kind, title, ...body] = {
      start: () => this.start(),
      forward: () => this.forward(now.node),
      backward: () => this.backward(now.node, step),
      end: () => this.end(),
    }[now.phase]();
    byId("phase").className = `phase ${now.phase}`;
    setText(byId("phase"), kind);
    byId("step-title").replaceChildren(title);
    byId("explanation").replaceChildren(...body.filter(Boolean));
    return this.spoken(now, step);
  }

  spoken(now, step) {
    const { model, walk } = this;
    if (now.phase === "start") return "Start: only leaves have values.";
    if (now.phase === "end") return `End. The value of ${model.spoken(model.root)} is ${format(model.data[model.root])}.`;
    const name = model.spoken(now.node);
    if (now.phase === "forward")
      return `Forward step ${now.number}: ${name}, ${model.nodes[now.node].op}, is ${format(model.data[now.node])}.`;
    const { adjoint } = walk.state(now.node, step);
    const output = model.spoken(model.root);
    return `Backward step ${now.number}: the gradient of ${output} by ${name} is ${format(adjoint ?? 0)}.`;
  }

  start() {
    const leaves = this.model.nodes.filter((node, i) => this.model.isLeaf(i)).length;
    return [
      "Start",
      "Only leaves have values",
      html(
        "p",
        {},
        `This graph has ${plural(this.model.count, "node")}, of which `,
        leaves === 1 ? "one is a leaf." : `${leaves} are leaves.`,
      ),
      html(
        "p",
        {},
        "Forward, each node is evaluated after its operands. Backward, from the output down, the chain rule gives ",
        "each node its gradient.",
      ),
    ];
  }

  // ---------------------------------------------------------------------------------------------- forward

  forward(i) {
    const { model } = this;
    return [
      `Forward ${this.walk.forwardStep[i]} of ${this.walk.forwardSteps}`,
      this.heading(i),
      this.stands(i),
      this.meaning(i),
      this.scroller(equation(...this.value(i))),
      this.table(
        "Operands",
        ["operand", "value"],
        model.operands[i].map((operand) => () => [this.link(operand), inline(numeral(model.data[operand], 6))]),
      ),
    ];
  }

  /** v = tanh u = tanh 0.5 = 0.4621 */
  value(i) {
    const { model } = this;
    const record = model.record(i);
    const result = numeral(model.data[i], 6);
    const equals = () => operator("=");
    const named = typeset(record.formula, (place) => this.symbolOf(model.operandAt(i, place)));
    const terms = [symbol(model.symbolName(i)), equals(), named];
    if (record.arity >= 0) {
      terms.push(
        equals(),
        typeset(record.formula, (place, guarded) => numeral(model.data[model.operandAt(i, place)], 4, guarded)),
      );
    }
    return [...terms, equals(), result];
  }

  symbolOf(i) {
    const name = this.model.nodes[i].name;
    return name === undefined ? numeral(this.model.data[i], 4) : symbol(name);
  }

  // ---------------------------------------------------------------------------------------------- backward

  backward(i, step) {
    const { walk } = this;
    const position = walk.sweep.position[i] + 1;
    return [
      `Backward ${position} of ${walk.sweep.order.length}`,
      this.heading(i),
      this.stands(i),
      ...this.chainRule(i, step),
      this.passesOn(i),
    ];
  }

  /** ∂L/∂w = Σ over uses of ∂L/∂u · ∂u/∂w, term by term, with the numbers. */
  chainRule(i, step) {
    const { model, walk } = this;
    const output = model.symbolName(model.root);
    const name = model.symbolName(i);
    if (i === model.root) {
      return [
        this.scroller(equation(derivative(output, output), operator("="), mathml("mn", {}, "1"))),
        html("p", {}, "The sweep begins here: by itself, the output changes one to one."),
      ];
    }
    const arrivals = walk.arrived(i, step);
    const missing = model.uses[i].length - arrivals.length;
    const { adjoint } = walk.state(i, step);
    const total = adjoint ?? 0;
    const rule = equation(
      derivative(output, name),
      operator("="),
      model.uses[i].length > 1 ? mathml("munder", {}, operator("∑"), mathml("mtext", {}, "uses")) : mathml("mrow"),
      derivative(output, model.uses[i].length > 1 ? "u" : model.symbolName(model.uses[i][0].user)),
      operator("·"),
      derivative(model.uses[i].length > 1 ? "u" : model.symbolName(model.uses[i][0].user), name),
    );
    const several = arrivals.length !== 1;
    const sum = equation(
      derivative(output, name),
      operator("="),
      ...arrivals
        .slice(0, 4)
        .flatMap((arrival, k) => [
          ...(k ? [operator("+")] : []),
          numeral(arrival.adjoint, 4, several || arrival.adjoint < 0),
          operator("·"),
          numeral(arrival.partial, 4, true),
        ]),
      ...(arrivals.length > 4 ? [operator("+"), operator("⋯")] : []),
      ...(arrivals.length ? [operator("=")] : []),
      this.coloured(total, 6),
    );
    const rows = arrivals.map((arrival) => () => [
      this.term(arrival, i),
      inline(numeral(arrival.adjoint, 4), operator("·"), numeral(arrival.partial, 4, true)),
      inline(this.coloured(arrival.amount, 4)),
    ]);
    return [
      this.scroller(rule, sum),
      missing > 0 && this.warning(i, arrivals.length, missing),
      rows.length > 1 &&
        this.table(`Sum over its ${rows.length} uses`, ["chain rule", "numbers", "term"], rows, [
          "",
          "",
          inline(this.coloured(total, 6)),
        ]),
      this.nothing(arrivals),
    ];
  }

  warning(i, arrived, missing) {
    const there =
      arrived === 0
        ? "none of its terms has"
        : arrived === 1
          ? "only one of its terms has"
          : `only ${arrived} of its terms have`;
    return html(
      "p",
      { class: "warning" },
      html("strong", {}, "Too early. "),
      `${this.model.spoken(i)} passes its gradient on now, but ${there} arrived: ${missing} still to come.`,
    );
  }

  nothing(arrivals) {
    const strange = arrivals.some(
      ({ adjoint, partial, amount }) => amount === 0 && !(Number.isFinite(adjoint) && Number.isFinite(partial)),
    );
    return (
      strange &&
      html(
        "p",
        { class: "note" },
        "A gradient or a derivative of exactly 0 passes on nothing, not even 0 times infinity.",
      )
    );
  }

  term({ user, place }, i) {
    const { model } = this;
    const output = model.symbolName(model.root);
    const last = derivative(model.symbolName(user), model.symbolName(i));
    const twice = model.operands[user].filter((operand) => operand === i).length > 1;
    // As in a·a: by its first operand, by its second.
    const by = twice
      ? mathml("msup", {}, last, mathml("mrow", {}, bracket("("), mathml("mn", {}, place + 1), bracket(")")))
      : last;
    const shown = inline(derivative(output, model.symbolName(user)), operator("·"), by);
    return this.actionable(shown, user);
  }

  passesOn(i) {
    const { model, walk } = this;
    const places = [...model.operands[i].keys()].filter((place) => !model.isConstant(model.operands[i][place]));
    if (!places.length)
      return html(
        "p",
        { class: "note" },
        model.isLeaf(i) ? "A leaf: this is where the sweep ends." : "All its operands are constants.",
      );
    const g = walk.sweep.passed[i];
    const rows = places.map((place) => () => {
      const operand = model.operands[i][place];
      const partial = model.partials[i][place];
      const tree = model.partialFormula(i, place);
      const written = tree && typeset(tree, (slot) => this.symbolOf(model.operandAt(i, slot)));
      const plain = Array.isArray(tree) && ["mn", "mi"].includes(tree[0]) && tree.length === 2;
      const amount = contribution(g, partial);
      return [
        this.actionable(inline(derivative(model.symbolName(i), model.symbolName(operand))), operand),
        inline(...(written && !(plain && tree[0] === "mn") ? [written, operator("=")] : []), numeral(partial, 4)),
        inline(this.coloured(amount, 4)),
      ];
    });
    return this.table("Passes on", ["by operand", "local derivative", `times ${format(g)}`], rows);
  }

  // ---------------------------------------------------------------------------------------------- the end

  end() {
    const { model, walk } = this;
    const rows = model
      .leaves()
      .map((i) => () => [
        this.link(i, model.fullName(i)),
        inline(numeral(model.data[i], 5)),
        inline(this.coloured(walk.sweep.adjoint[i], 5)),
      ]);
    const output = model.name(model.root);
    return [
      walk.sweep === model.right || !model.mistakes(walk.sweep).length
        ? "All gradients"
        : "All gradients, some of them wrong",
      html("span", {}, isolated(output), ` = ${format(model.data[model.root], 6)}`),
      fullLabel(model, model.root),
      !this.actions.live && this.table("Leaves", ["leaf", "value", "gradient"], rows), // a live page has them above
      html(
        "p",
        { class: "note" },
        "The gradient of a leaf says how much the output changes for a small change of the leaf. Press ",
        html("kbd", {}, "Home"),
        " and ",
        html("kbd", {}, "space"),
        " to see how it comes about.",
      ),
    ];
  }

  // ---------------------------------------------------------------------------------------------- pieces

  heading(i) {
    const { model } = this;
    const record = model.record(i);
    return html("span", {}, isolated(model.name(i)), record ? html("span", { class: "made" }, record.symbol) : null);
  }

  /** What a number such as v₁ is the name of. */
  stands(i) {
    const { model } = this;
    if (!isNumbered(model, i)) return null;
    return html("p", { class: "stands" }, isolated(model.name(i)), " stands for ", html("code", {}, standsFor(model, i)));
  }

  meaning(i) {
    return html("p", {}, plain(this.model.record(i).doc));
  }

  coloured(x, digits) {
    return mathml("mrow", { class: signOf(x) }, numeral(x, digits));
  }

  /** An equation may be wider than the panel; then it scrolls by itself. */
  scroller(...equations) {
    return html("div", { class: "equation", tabindex: "0", role: "group", "aria-label": "Equation" }, ...equations);
  }

  link(i, name = this.model.name(i)) {
    return this.actionable(breakable(name), i);
  }

  actionable(content, i) {
    const made = button(content, () => this.actions.select(i), { class: "link" });
    const { model } = this;
    made.title = model.isLeaf(i) ? "Select this node" : `${model.spoken(i)} = ${standsFor(model, i)}. Select this node`;
    return made;
  }

  /** A table; rows are functions that give their cells, as there may be thousands that are not shown. */
  table(caption, heads, rows, total) {
    if (!rows.length) return null;
    const shown = this.unfolded || rows.length <= ROWS + 1 ? rows : rows.slice(0, ROWS);
    const body = html(
      "tbody",
      {},
      ...shown.map((cells) => html("tr", {}, ...cells().map((cell) => html("td", {}, cell)))),
    );
    if (total) body.append(html("tr", { class: "total" }, ...total.map((cell) => html("td", {}, cell))));
    const table = html(
      "table",
      {},
      html("caption", {}, caption),
      html("thead", {}, html("tr", {}, ...heads.map((head) => html("th", { scope: "col" }, head)))),
      body,
    );
    const rest = rows.length - shown.length;
    const more =
      rest > 0 &&
      button(
        `Show ${rest} more`,
        () => {
          this.unfolded = true;
          this.actions.refresh();
        },
        { class: "more" },
      );
    return html("div", { class: "table" }, table, more || null);
  }
}

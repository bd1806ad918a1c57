// "Why topological order?": the same sweep in another order, and what goes wrong.

class OrderMode {
  constructor(actions) {
    this.actions = actions; // order(name), example(), leave()
    this.section = byId("order");
  }

  /** Shows the comparison, for a walk in the order that is named. */
  show(model, name, walk, step, isExample) {
    const shared = model.evaluated.filter((i) => model.uses[i].length > 1);
    const mistakes = model.mistakes(model.wrong);
    byId("order-body").replaceChildren(
      html("p", {}, this.story(model, name, shared, mistakes)),
      this.choice(name),
      ...(mistakes.length ? [this.comparison(model, walk, step, name, mistakes)] : []),
      html(
        "div",
        { class: "actions" },
        !isExample && button(mistakes.length ? "Show a small example" : "Show an example", this.actions.example),
        isExample && button("Back to the graph", this.actions.graph),
        button("Close", this.actions.leave),
      ),
    );
  }

  story(model, name, shared, mistakes) {
    if (!shared.length) {
      return (
        "In this graph no node between leaves and output is used twice, so every order from the output down gives " +
        "the right gradients."
      );
    }
    const names =
      shared
        .slice(0, 3)
        .map((i) => model.spoken(i))
        .join(", ") + (shared.length > 3 ? ", …" : "");
    const uses =
      shared.length === 1
        ? `${names} is used ${plural(model.uses[shared[0]].length, "time")}`
        : `${names} are used more than once`;
    if (!mistakes.length) return `${uses}. Depth first happens to be right here: all terms arrive in time by luck.`;
    if (name === "topological") {
      return (
        `${uses}: the gradient is a sum over these uses. In topological order a node's turn comes only when every ` +
        "term has arrived. Now try it without waiting:"
      );
    }
    return (
      `${uses}. Depth first, a node passes its gradient on as soon as it is reached; terms that arrive later stay ` +
      "where they are, and everything below misses them."
    );
  }

  choice(name) {
    const option = (value, text) =>
      button(text, () => this.actions.order(value), { "aria-pressed": String(name === value) });
    return html(
      "div",
      { class: "segmented", role: "group", "aria-label": "Order of the backward sweep" },
      option("topological", "Topological order"),
      option("depth-first", "Depth first"),
    );
  }

  comparison(model, walk, step, name, mistakes) {
    // What it passed on is what is wrong about a node that later has the whole sum.
    const rows = mistakes.slice(0, ROWS).map((i) => {
      const state = walk.state(i, step);
      const here = state.gradient === "passed" ? walk.sweep.passed[i] : state.adjoint;
      const right = model.right.adjoint[i];
      const final = state.gradient === "passed";
      const wrong = final && differs(here, right);
      return html(
        "tr",
        { class: wrong ? "wrong" : final ? "right" : "" },
        html("td", {}, isolated(model.name(i))),
        html("td", {}, here === null ? "·" : format(here)),
        html("td", {}, format(right)),
        html("td", { class: "verdict" }, final ? (wrong ? "✗ wrong" : "✓") : ""),
      );
    });
    return html(
      "table",
      { class: "comparison" },
      html("caption", {}, "Gradient when passed on"),
      html(
        "thead",
        {},
        html(
          "tr",
          {},
          ...["node", name === "topological" ? "topological" : "depth first", "right", ""].map((head) =>
            html("th", { scope: "col" }, head),
          ),
        ),
      ),
      html("tbody", {}, ...rows),
    );
  }
}

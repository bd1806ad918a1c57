// Live: a slider and a box for each leaf. Python sets the leaf, evaluates the graph again and sends the new numbers.

/** Rows that are made at once; a search finds the others. */
const LEAVES = 60;
const STEPS = [1, 1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-11, 1e-14];

/** A curve is asked for when a slider has come to rest for so long. */
const CURVE_REST = 150;

/** An answer without an end: the server stops when that of the last page is closed. */
async function tellThatItIsOpen() {
  try {
    const { body } = await fetch("open");
    await body.getReader().read();
  } catch {
    // the server has stopped
  }
}

/** Where requests go: to the server that the page came from, or to the notebook around it. */
function connection(kind) {
  if (kind === "server until closed") tellThatItIsOpen();
  if (kind.startsWith("server")) {
    return async (request) => {
      const response = await fetch("evaluate", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(request),
      });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      return response.json();
    };
  }
  const waiting = new Map();
  let next = 0;
  addEventListener("message", ({ source, data }) => {
    if (source !== parent || !waiting.has(data?.number)) return;
    waiting.get(data.number)(data.answer);
    waiting.delete(data.number);
  });
  return (request) =>
    new Promise((resolve) => {
      waiting.set(++next, resolve);
      // The frame has an origin of its own, so that it cannot name that of the notebook.
      parent.postMessage({ explorer: true, number: next, request }, "*");
    });
}

class Live {
  constructor(model, kind, changed) {
    this.model = model;
    this.ask = connection(kind);
    this.changed = changed;
    this.pending = new Map();
    this.busy = false;
    this.current = null;
    this.size = 1e-6;
    this.rows = new Map();
    this.leaves = model.leaves();
    this.build();
    if (this.leaves.length) this.consider(this.leaves[0]);
  }

  build() {
    const section = byId("live");
    section.hidden = false;
    const filter = byId("live-filter");
    filter.hidden = this.leaves.length <= 8;
    filter.addEventListener("input", () => this.list(filter.value));
    byId("difference-step").replaceChildren(
      ...STEPS.map((h) =>
        html(
          "option",
          { value: h, selected: h === this.size },
          `h = ${h >= 0.01 ? format(h) : `10${superscript(Math.round(Math.log10(h)))}`}`,
        ),
      ),
    );
    byId("difference-step").addEventListener("change", (event) => {
      this.size = Number(event.target.value);
      this.send();
    });
    this.list("");
  }

  list(query) {
    const wanted = this.leaves.filter((i) => matches(this.model, i, query));
    this.rows = new Map();
    byId("leaves").replaceChildren(...wanted.slice(0, LEAVES).map((i) => this.row(i)));
    setText(
      byId("leaves-note"),
      wanted.length > LEAVES
        ? `and ${wanted.length - LEAVES} more: search for them`
        : wanted.length
          ? ""
          : "no leaf of this name",
    );
    this.show();
  }

  row(i) {
    const name = this.model.spoken(i);
    const reach = range(this.model.data[i]);
    const slider = html("input", {
      type: "range",
      min: -reach,
      max: reach,
      step: reach / 500,
      "aria-label": `${name}, slider`,
    });
    const box = html("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": `${name}, number`,
    });
    const gradient = html("output", { class: "leaf-gradient" });
    slider.addEventListener("input", () => this.set(i, Number(slider.value), slider));
    box.addEventListener("change", () => this.typed(i, box));
    box.addEventListener("keydown", (event) => event.key === "Enter" && this.typed(i, box));
    for (const control of [slider, box]) control.addEventListener("focus", () => this.consider(i));
    this.rows.set(i, { slider, box, gradient });
    return html(
      "li",
      {},
      html("span", { class: "leaf-name", title: this.model.nodes[i].label ?? "" }, isolated(this.model.name(i))),
      slider,
      box,
      gradient,
    );
  }

  typed(i, box) {
    const number = Number(box.value.trim().replace(MINUS, "-").replace(",", "."));
    const good = box.value.trim() !== "" && Number.isFinite(number);
    box.setAttribute("aria-invalid", String(!good));
    if (!good) return this.complain(`${box.value || "nothing"} is no number: write one such as -0.5 or 1e-3`);
    if (number === this.model.data[i] && !this.pending.size) return this.complain("");
    return this.set(i, number, box);
  }

  /** Looks at a leaf's finite difference, with nothing changed. */
  consider(i) {
    if (this.current === i) return;
    this.current = i;
    this.send();
  }

  set(i, number, control) {
    this.current = i;
    this.pending.set(i, number);
    this.editing = control;
    this.send();
  }

  /** One request at a time: of what a slider says in the meantime, the last is sent when the answer is there. */
  async send() {
    this.wanted = true;
    clearTimeout(this.resting);
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.wanted) {
        this.wanted = false;
        const set = Object.fromEntries(this.pending);
        this.pending.clear();
        const curve = this.wantsCurve && this.pending.size === 0 ? { curve: this.span(this.current) } : {};
        const answer = await this.ask({ set, difference: { node: this.current, step: this.size }, ...curve });
        this.take(answer, Object.keys(set).length > 0);
      }
    } catch (error) {
      this.complain(`No answer from Python (${error.message}): is it still running?`);
    } finally {
      this.busy = false;
    }
  }

  /** Shows an answer. What was complained of stays until something else was set, and is what the text in a box says. */
  take(answer, wasSet = true) {
    if (answer.numbers) this.model.update(answer.numbers);
    this.difference = answer.difference ?? null;
    if (answer.curve) this.wantsCurve = false;
    if (answer.curve) this.curve = answer.curve;
    else if (answer.numbers && this.current !== null) this.askForCurve();
    const mistyped = [...this.rows.values()].some(({ box }) => box.getAttribute("aria-invalid") === "true");
    if (answer.error) this.complain(`${answer.error} The leaves keep the values that they had.`);
    else if (wasSet && !mistyped) this.complain("");
    this.show();
    if (answer.numbers) this.changed();
  }

  /** Asks for the curve of the leaf in hand, soon. */
  askForCurve() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.wantsCurve = true;
      this.send();
    }, CURVE_REST);
  }

  /** From where to where a leaf's curve goes: as its slider does. */
  span(i) {
    const reach = Number(this.rows.get(i)?.slider.max ?? range(this.model.data[i]));
    return { node: i, low: -reach, high: reach };
  }

  complain(text) {
    setText(byId("live-error"), text);
    byId("live-error").hidden = !text;
  }

  /** Puts the numbers into the controls, but for the one in hand. */
  show() {
    const { model } = this;
    for (const [i, { slider, box, gradient }] of this.rows) {
      const x = model.data[i];
      if (Math.abs(x) > Number(slider.max)) {
        slider.max = range(x);
        slider.min = -range(x);
        slider.step = range(x) / 500;
      }
      if (!(this.editing === slider && document.activeElement === slider)) slider.value = x;
      if (!(document.activeElement === box && this.editing !== slider)) {
        box.value = format(x, 6).replace(MINUS, "-");
        if (box.getAttribute("aria-invalid") === "true") this.complain("");
        box.setAttribute("aria-invalid", "false");
      }
      const right = model.right.adjoint[i];
      setText(gradient, format(right));
      gradient.className = `leaf-gradient ${signOf(right)}`;
    }
    this.showDifference();
  }

  /** The gradient beside the finite difference, and the curves of both. */
  showDifference() {
    const area = byId("difference");
    const found = this.difference;
    area.hidden = !found;
    if (!found) return;
    const { model } = this;
    const i = found.node;
    const [output, name] = [model.symbolName(model.root), model.symbolName(i)];
    const gradient = model.right.adjoint[i];
    const cell = (title, x) =>
      html("div", {}, html("span", { class: "caption" }, title), html("strong", { class: signOf(x) }, format(x, 9)));
    const quotient = mathml(
      "mfrac",
      {},
      mathml(
        "mrow",
        {},
        symbol(output),
        bracket("("),
        symbol(name),
        operator("+"),
        mathml("mi", {}, "h"),
        bracket(")"),
        operator(MINUS),
        symbol(output),
        bracket("("),
        symbol(name),
        operator(MINUS),
        mathml("mi", {}, "h"),
        bracket(")"),
      ),
      mathml("mrow", {}, mathml("mn", {}, "2"), mathml("mi", {}, "h")),
    );
    byId("difference-body").replaceChildren(
      html("div", { class: "equation" }, equation(derivative(output, name), operator("≈"), quotient)),
      found.error
        ? html("p", { class: "warning" }, found.error)
        : html(
            "div",
            { class: "pair" },
            cell("gradient", gradient),
            cell("finite difference", decoded(found.quotient)),
          ),
      found.error
        ? ""
        : html("p", { class: "note" }, `They differ by ${format(Math.abs(gradient - decoded(found.quotient)), 2)}.`),
      this.curve?.node === i ? leafCurves(model, this.curve, this.size, decoded(found.quotient ?? NaN)) : "",
    );
  }
}

/** How far a slider goes to either side: a round number. */
function range(x) {
  const size = Math.max(2, 1.5 * Math.abs(x));
  const unit = 10 ** Math.floor(Math.log10(size));
  return Math.min(1e300, unit * [1, 2, 5, 10].find((k) => k * unit >= size));
}

function superscript(n) {
  return String(n)
    .replace("-", "⁻")
    .replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
}

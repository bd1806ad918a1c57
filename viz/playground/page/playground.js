// The page: what is written is sent to Python as one types, and what comes back is shown.

const setup = JSON.parse(byId("setup").textContent);
const LONGEST_TEXT = 20_000;
/** After so many milliseconds without a key, what was written is read; a program is run a little later. */
const REST = { formula: 200, program: 600 };
/** A run that takes longer can be seen to run, and be stopped. */
const PATIENCE = 600;
const WORDS = {
  "engine.zip": "tinygrad_lite",
  "pyodide/python_stdlib.zip": "Python's library",
  "pyodide/pyodide.asm.wasm": "Python",
};

class Playground {
  constructor() {
    const linked = stateOf(location.hash);
    this.frame = byId("graph");
    this.variables = [];
    this.chosen = [];
    this.waiting = null;
    const first = setup.examples[0];
    this.state = linked ?? { kind: first.kind, text: first.text, values: { ...first.values } };
    this.history = new History(this.state);
    this.engine = new Engine((said) => this.said(said));
    this.listen();
    this.showExamples();
    this.showText();
    this.showOperations();
    this.evaluate();
    this.openFrame();
  }

  // ---------------------------------------------------------------------------------------------- loading

  said({ progress, ready, failed }) {
    if (progress) {
      const share = Math.min(100, (100 * progress.done) / progress.total);
      byId("bar").value = share;
      setText(byId("loading-text"), `Loading ${WORDS[progress.what] ?? progress.what}: ${Math.round(share)} %`);
      byId("loading").hidden = false;
    }
    if (ready) {
      byId("loading").hidden = true;
      document.documentElement.dataset.ready = "true";
    }
    if (failed) {
      byId("loading").hidden = true;
      this.complain({
        message: `Python could not be loaded: ${failed}. Check the connection and load the page again; if it fails again, another browser may help: WebAssembly and module workers are needed.`,
      });
    }
  }

  async openFrame() {
    const response = await fetch(`frame.html?${setup.version}`);
    this.frame.srcdoc = await response.text();
  }

  // ---------------------------------------------------------------------------------------------- what is written

  /** A program that came with a link, changed since or not, is run when the reader says so. */
  get isHeld() {
    return Boolean(this.state.held);
  }

  /** Another state, from the history, an example or a click. */
  become(state, { remember = true } = {}) {
    this.state = state;
    if (remember) this.history.add(state);
    this.showText();
    this.evaluate();
  }

  typed() {
    const { kind } = this.state;
    const text = byId("text").value.slice(0, LONGEST_TEXT);
    // What came with a link is not run because a letter of it was changed: Run alone says so.
    this.state = { ...this.state, text, values: kind === "formula" ? this.state.values : {} };
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.history.add(this.state);
      this.evaluate();
    }, REST[kind]);
  }

  /** The program that was left, held if it was; from a formula alone, the program that makes its graph. */
  async switchKind(kind) {
    const before = this.state;
    if (kind === before.kind) return;
    if (before.kind === "program") {
      this.program = before;
      this.become({ kind, text: this.lastFormula ?? "tanh(a*b + c)", values: {} });
    } else if (this.program) this.become(this.program);
    else {
      byId("text").disabled = true; // what is written meanwhile would be lost
      const answer = await this.engine.ask({ do: "as program" });
      byId("text").disabled = false;
      if (this.state !== before) return; // an example was chosen
      this.become({ kind, text: answer?.text ?? "a = Value(2.0)\nL = a * a", values: {} });
    }
    byId("text").focus();
  }

  /** One request at a time; of what is typed meanwhile, the last is sent when the answer is there. */
  async evaluate() {
    clearTimeout(this.resting);
    this.showButtons();
    if (this.isHeld) {
      this.complain({ message: "This program came with a link. Read it first; then press Run.", kind: "note" });
      return;
    }
    if (this.isBusy) {
      this.isWanted = true;
      return;
    }
    this.isBusy = true;
    const asked = this.state;
    const { kind, text, values } = asked;
    const patience = setTimeout(() => this.showRunning(true), PATIENCE);
    const answer = await this.engine.ask({ do: kind, text, values });
    clearTimeout(patience);
    this.showRunning(false);
    this.isBusy = false;
    if (answer) this.take(answer, asked);
    if (this.isWanted) {
      this.isWanted = false;
      this.evaluate();
    }
  }

  stop() {
    this.isWanted = false;
    this.engine.stop();
    this.showRunning(false);
    this.complain({ message: "Stopped. Python starts again; the text is as it was. Change it, or press Run." });
  }

  take(answer, asked) {
    const { text } = asked;
    const { printed, error } = answer;
    byId("printed").hidden = !printed;
    setText(byId("printed"), printed ?? "");
    if (error) return this.complain(error);
    this.complain({ message: (answer.notes ?? []).join("\n"), kind: "note" });
    if (this.state === asked && answer.values) {
      this.state = { ...this.state, values: { ...this.state.values, ...answer.values } };
      this.history.states[this.history.place] = this.state;
    }
    if (asked.kind === "formula") this.lastFormula = text;
    this.shownText = text;
    this.graph = answer.graph;
    this.variables = answer.variables;
    this.chosen = this.chosen.filter((name) => this.variables.some((variable) => variable.name === name));
    this.number = answer.number;
    this.send({ graph: this.graph, number: this.number });
    this.showClicking();
    return undefined;
  }

  /** What is wrong, the line that it is in with the place marked, and the place in the text itself. */
  complain({ message, start, stop, kind = "error" }) {
    const area = byId("message");
    area.className = message ? kind : "";
    const text = byId("text").value;
    const where = Number.isInteger(start) && start <= text.length;
    byId("text").setAttribute("aria-invalid", String(Boolean(message) && kind === "error"));
    if (!message) return area.replaceChildren();
    const [said] = message.split(/\n {2}/);
    if (!where) return area.replaceChildren(html("p", {}, said));
    const from = text.lastIndexOf("\n", start - 1) + 1;
    const end = text.indexOf("\n", start) < 0 ? text.length : text.indexOf("\n", start);
    const last = Math.max(start, Math.min(stop ?? start + 1, end));
    const marked = text.slice(start, last) || " ";
    return area.replaceChildren(
      html("p", {}, said),
      html("pre", {}, text.slice(from, start), html("mark", {}, marked), text.slice(last, end)),
      button("Show the place", () => {
        byId("text").focus();
        byId("text").setSelectionRange(start, Math.max(last, start + 1));
      }),
    );
  }

  // ---------------------------------------------------------------------------------------------- the graph's frame

  send(message) {
    this.frame.contentWindow?.postMessage(message, "*");
  }

  async heard(data) {
    if (data.ready) {
      this.send({ theme: this.theme() });
      if (this.graph) this.send({ graph: this.graph, number: this.number });
    }
    if (data.svg) this.pictured?.(data.svg);
    if (data.selected !== undefined && data.selected !== null) this.choose(this.nameOf(data.selected));
    if (!data.explorer) return;
    // The first question comes before the graph is known by its number.
    const asked = this.state;
    const isAbout = data.request?.number !== undefined && !this.isHeld;
    const answer = !isAbout ? { answer: {} } : await this.engine.ask({ do: "live", number: data.request.number, request: data.request.request });
    this.send({ number: data.number, answer: answer?.answer ?? {} });
    if (!answer?.values || !Object.keys(data.request?.request?.set ?? {}).length) return;
    // The numbers are those of the text that is shown: what was written since has its own.
    if (this.state !== asked || asked.text !== this.shownText) return;
    this.state = { ...asked, values: { ...asked.values, ...answer.values } };
    const moved = this.state;
    clearTimeout(this.moving);
    this.moving = setTimeout(() => {
      if (this.state === moved) this.history.add(moved);
      this.showButtons();
    }, 400);
  }

  nameOf(node) {
    return this.variables.find((variable) => variable.node === node)?.name ?? null;
  }

  // ---------------------------------------------------------------------------------------------- clicking together

  choose(name) {
    if (name === null) {
      setText(byId("chosen"), "This node has no name in the program: assign it to a variable to use it here.");
      return;
    }
    this.chosen = this.chosen.includes(name) ? this.chosen.filter((other) => other !== name) : [...this.chosen, name];
    this.showClicking();
  }

  async apply(name) {
    const answer = await this.engine.ask({ do: "apply", name, operands: this.chosen });
    if (!answer) return;
    if (answer.error) this.complain(answer.error);
    else {
      const keepsChosen = name === "Value";
      const before = new Set(this.variables.map((variable) => variable.name));
      if (!keepsChosen) this.chosen = [];
      const made = answer.text.match(/(\w+) = [^\n]*$/)?.[1];
      this.become({ kind: "program", text: answer.text, values: {} });
      if (made && !before.has(made)) this.chosen.push(made);
    }
  }

  async showOperations() {
    this.operations = setup.operations;
    const area = byId("operations");
    area.replaceChildren(
      button("new leaf", () => this.apply("Value"), { class: "operation" }),
      ...this.operations.map((operation) => {
        const made = button(operation.symbol, () => this.apply(operation.name), { class: "operation", title: operation.doc, "aria-label": operation.name });
        operation.button = made;
        return made;
      }),
    );
    this.showClicking();
  }

  showClicking() {
    byId("variables").replaceChildren(
      ...this.variables.map(({ name }) =>
        button(name, () => this.choose(name), { "aria-pressed": String(this.chosen.includes(name)), class: "variable" }),
      ),
    );
    setText(
      byId("chosen"),
      this.chosen.length
        ? `Apply to ${this.chosen.join(", ")}:`
        : "Choose variables here or nodes in the graph, in order; then an operation. It writes a line of Python.",
    );
    for (const { takes, button: made } of this.operations) made.hidden = !takes.includes(this.chosen.length);
  }

  // ---------------------------------------------------------------------------------------------- what is seen

  showExamples() {
    byId("examples").replaceChildren(
      ...setup.examples.map(({ title, kind, text, values }) =>
        button(title, () => this.become({ kind, text, values: { ...values } }), { class: "example" }),
      ),
    );
  }

  showText() {
    const { kind, text } = this.state;
    const area = byId("text");
    if (area.value !== text) area.value = text;
    area.rows = kind === "formula" ? 2 : Math.max(6, Math.min(18, text.split("\n").length + 1));
    area.wrap = kind === "formula" ? "soft" : "off";
    area.setAttribute("aria-label", kind === "formula" ? "Formula" : "Python program");
    for (const name of ["formula", "program"]) byId(`kind-${name}`).setAttribute("aria-pressed", String(name === kind));
    this.showButtons();
  }

  showButtons() {
    byId("undo").disabled = !this.history.canMove(-1);
    byId("redo").disabled = !this.history.canMove(1);
  }

  showRunning(on) {
    byId("stop").hidden = !on;
    byId("run").hidden = on;
    document.documentElement.classList.toggle("running", on);
  }

  theme() {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    return document.documentElement.dataset.theme ?? system;
  }

  switchTheme() {
    document.documentElement.dataset.theme = this.theme() === "dark" ? "light" : "dark";
    this.send({ theme: this.theme() });
  }

  // ---------------------------------------------------------------------------------------------- sharing and saving

  async share() {
    const link = linkOf(this.state);
    history.replaceState(null, "", link);
    byId("link").value = link;
    byId("link-dialog").showModal();
    byId("link").select();
    try {
      await navigator.clipboard.writeText(link);
      setText(byId("link-title"), "A link to this: copied");
    } catch {
      setText(byId("link-title"), "A link to this");
    }
  }

  async save(what) {
    if (what === "page" || what === "program") {
      const answer = await this.engine.ask({ do: what === "page" ? "page" : "program text" });
      if (!answer || answer.error) return this.complain(answer?.error ?? { message: "Python was stopped." });
      if (what === "page") return offer("graph.html", new Blob([answer.page], { type: "text/html" }));
      return offer("graph.py", new Blob([answer.text], { type: "text/x-python" }));
    }
    const picture = await new Promise((resolve) => {
      this.pictured = resolve;
      this.send({ svg: true });
    });
    if (what === "svg") return offer("graph.svg", new Blob([picture.text], { type: "image/svg+xml" }));
    return offer("graph.png", await asPng(picture));
  }

  // ---------------------------------------------------------------------------------------------- controls

  listen() {
    const on = (id, event, action) => byId(id).addEventListener(event, action);
    on("text", "input", () => this.typed());
    on("kind-formula", "click", () => this.switchKind("formula"));
    on("kind-program", "click", () => this.switchKind("program"));
    on("run", "click", () => this.runNow());
    on("stop", "click", () => this.stop());
    on("undo", "click", () => this.become(this.history.move(-1), { remember: false }));
    on("redo", "click", () => this.become(this.history.move(1), { remember: false }));
    on("share", "click", () => this.share());
    on("link-close", "click", () => byId("link-dialog").close());
    on("theme", "click", () => this.switchTheme());
    on("save", "change", (event) => {
      const what = event.target.value;
      event.target.value = "";
      this.save(what);
    });
    addEventListener("message", ({ source, data }) => {
      if (source === this.frame.contentWindow && data) this.heard(data);
    });
    addEventListener("hashchange", () => {
      const linked = stateOf(location.hash);
      if (!linked || linkOf(linked) === linkOf(this.state)) return;
      this.become(linked);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.send({ theme: this.theme() }));
    addEventListener("keydown", (event) => this.pressed(event));
  }

  runNow() {
    this.state = { ...this.state, held: false };
    this.history.replace(this.state);
    this.evaluate();
  }

  pressed(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const by = key === "z" ? (event.shiftKey ? 1 : -1) : key === "y" ? 1 : 0;
    if (key === "enter") this.runNow();
    else if (by) {
      this.history.add(this.state);
      if (this.history.canMove(by)) this.become(this.history.move(by), { remember: false });
    } else return;
    event.preventDefault();
  }
}

function offer(name, blob) {
  const link = html("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Twice as many pixels as the picture's size, and fewer for one that would be too large. */
async function asPng({ text, width, height }) {
  const image = new Image();
  const loaded = new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = reject;
  });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await loaded;
  const scale = Math.min(2, 8000 / width, 8000 / height);
  const canvas = html("canvas", { width: Math.round(scale * width), height: Math.round(scale * height) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

if (location.protocol === "file:") {
  byId("loading").hidden = true;
  setText(
    byId("message"),
    "Opened as a file, a page may not start Python. Serve it: make playground, or python -m http.server in the site's folder.",
  );
} else new Playground();

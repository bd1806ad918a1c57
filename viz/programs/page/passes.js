// The page of passes: what a stage shows beside its picture, and what the controls do.

const data = JSON.parse(byId("graph").textContent);
const embedded = window.parent !== window;
const SHOWN = 12;
/** And so many names of a pile. */
const PILED = 8;
/** Larger pictures are laid out one way only. */
const FEW = 600;
const MARKS = { new: "new", merged: "made of several", rewritten: "written otherwise" };

class PassesPage extends Stepper {
  constructor() {
    super();
    this.noun = "box";
    this.stages = new Stages(data);
    this.camera = new Camera(byId("canvas"), { embedded });
    this.picture = new StagePicture(this.camera, this.stages);
    this.links = new Links(this);
    this.origin = null; // where the selection was made: {step, key}
    this.makeStrip();
    listen(this);
    byId("text").addEventListener("click", (event) => {
      const { key } = event.target.closest(".line")?.dataset ?? {};
      if (key) this.select(key, { reveal: true });
    });
    this.drawn = null;
    this.draw();
    this.show();
    this.links.read();
    document.documentElement.dataset.ready = "true";
  }

  get last() {
    return this.stages.list.length - 1;
  }

  get stage() {
    return this.stages.list[this.step];
  }

  titleOf(step) {
    return this.stages.list[step].title;
  }

  makeStrip() {
    const items = this.stages.list.map((stage, step) =>
      html(
        "li",
        {},
        button(stage.title, () => this.go(step), { "data-step": step }),
      ),
    );
    items.forEach((item, step) => item.firstChild.append(html("small", {}, this.stages.list[step].counts[0])));
    byId("strip").firstElementChild.replaceChildren(...items);
  }

  // ---------------------------------------------------------------------------------------------- steps

  go(step, { quiet = false } = {}) {
    const wanted = Math.max(0, Math.min(this.last, Math.round(step)));
    if (wanted !== this.step) {
      this.step = wanted;
      if (this.found) this.found = new Set(this.hitsOf(byId("search").value));
      this.draw({ moves: true });
    }
    this.show();
    if (!quiet) this.links.write();
  }

  /** In the direction in which more can be read. */
  draw({ moves = false } = {}) {
    const { width, height } = this.camera.size();
    const usual = height > 0.85 * width ? "TB" : "LR";
    const directions = this.stage.boxes.length > FEW ? [usual] : [usual, usual === "LR" ? "TB" : "LR"];
    const scales = directions.map((direction) => {
      this.camera.extent = this.picture.layout(this.step, direction).extent;
      return this.camera.fittingScale();
    });
    const direction = scales[1] > 1.08 * scales[0] ? directions[1] : directions[0];
    this.picture.draw(this.step, direction, { moves });
    this.focusable(null);
    const first = this.picture.cards.values().next().value;
    if (first && !isDot(first.box)) this.camera.begin(first);
    else this.camera.fit();
  }

  show() {
    const { step, stage } = this;
    this.selected = this.origin && this.stages.follow(this.origin.step, this.origin.key, step);
    this.picture.show({ step, selected: this.selected, found: this.found });
    this.showControls();
    setText(byId("position"), `${step + 1} / ${this.last + 1}`);
    for (const item of byId("strip").querySelectorAll("button")) {
      const current = Number(item.dataset.step) === step;
      item.toggleAttribute("aria-current", current);
      if (current) item.setAttribute("aria-current", "step");
      if (current && this.shownStep !== step) item.scrollIntoView({ block: "nearest", inline: "center" });
    }
    if (this.shownStep !== step) byId("step").parentElement.scrollTop = 0;
    this.shownStep = step;
    setText(byId("phase"), `Pass ${step + 1} of ${this.last + 1}`);
    setText(byId("step-title"), stage.title);
    byId("explanation").replaceChildren(...this.explanation().filter(Boolean));
    byId("legend").replaceChildren(...this.legend());
    this.showText();
    this.showSelected();
    if (!this.timer || this.delay() >= 1000) setText(byId("status"), `Pass ${step + 1}: ${stage.title}. ${stage.does}`);
  }

  // ---------------------------------------------------------------------------------------------- the explanation

  explanation() {
    const { step, stage } = this;
    const before = step ? this.stages.list[step - 1] : null;
    const counts = [
      ...(before ? [html("span", { class: "before" }, `${before.counts[0]} →`)] : []),
      ...stage.counts.map((count) => html("span", {}, count)),
    ];
    return [
      html("div", { class: "counts" }, ...counts),
      html("p", {}, stage.does),
      html("p", { class: "sound" }, html("strong", {}, "Why it is right. "), stage.sound),
      stage.proof !== undefined &&
        html("p", {}, `On those inputs both differ by at most ${format(stage.proof, 2)} of the largest number.`),
      ...(stage.limits ?? []).map((limit) => html("p", { class: "note" }, limit)),
      stage.piled > 0 && html("p", { class: "note" }, this.piledNote(stage)),
      stage.scalars &&
        !stage.piled &&
        html(
          "p",
          { class: "note" },
          "Each dot is a number, each square an input. Dots of one colour end in one statement of the program; constants are not drawn.",
        ),
      ...Object.keys(MARKS).map((mark) => this.changed(mark)),
      stage.gone.length > 0 && this.gone(stage.gone),
    ];
  }

  piledNote({ counts }) {
    return `${counts[0]} are too many to be drawn one by one: those that end in one statement of the program are one pile.`;
  }

  changed(mark) {
    const boxes = this.stage.boxes.filter((box) => box.mark === mark);
    if (!boxes.length) return null;
    const word = { new: "New", merged: "Made of several", rewritten: "Written otherwise" }[mark];
    return this.names(
      `${word}: ${boxes.length}`,
      boxes.map((box) => box.key),
    );
  }

  gone(names) {
    const shown = names.slice(0, SHOWN).join(", ");
    return html("p", {}, html("strong", {}, `Gone: ${names.length}. `), shown + (names.length > SHOWN ? ", …" : ""));
  }

  /** Boxes of this stage by name, each a button that selects it. */
  names(title, keys, step = this.step) {
    const rest = keys.length - SHOWN;
    return html(
      "div",
      { class: "names" },
      html("strong", {}, title),
      ...keys.slice(0, SHOWN).map((key) => {
        const box = this.stages.box(step, key);
        const text = box.pile ? `${box.members.slice(0, PILED).join(", ")}, …` : box.name;
        return button(isolated(text), () => this.selectAt(step, key), {
          class: "link",
          title: box.statement.join(" ") || box.name,
        });
      }),
      rest > 0 && html("span", { class: "note" }, `and ${rest} more`),
    );
  }

  legend() {
    const { boxes } = this.stage;
    const entry = (kind, text) => html("span", {}, html("i", { class: `swatch ${kind}` }), text);
    const kinds = [
      ["input", "input", (box) => box.kind === "input"],
      ["forward", "forward", (box) => box.kind === "forward"],
      ["backward", "gradient", (box) => box.kind === "backward"],
      ["inlined", "written into its reader", (box) => box.inlined],
      ...Object.entries(MARKS).map(([mark, text]) => [mark, text, (box) => box.mark === mark]),
    ];
    return kinds.filter(([, , has]) => boxes.some(has)).map(([kind, text]) => entry(kind, text));
  }

  // ---------------------------------------------------------------------------------------------- the text

  showText() {
    const { stage, step } = this;
    const title = stage.scalars ? "Scalars, as they are computed" : step === this.last ? "The source" : "Statements";
    setText(byId("text-title"), title);
    byId("text").replaceChildren(
      ...stage.lines.map(([text, mark, key]) => {
        const fold = mark === "gone" && text.startsWith("…") ? "fold" : "";
        const selected = key && this.selected?.has(key) ? "selected" : "";
        return html(
          "span",
          { class: ["line", mark, fold, selected].filter(Boolean).join(" "), "data-key": key || undefined },
          `${text}\n`,
        );
      }),
    );
  }

  // ---------------------------------------------------------------------------------------------- the selected one

  selectAt(step, key) {
    this.origin = { step, key };
    if (step !== this.step) this.go(step);
    this.select(key, { reveal: true });
  }

  select(key, { reveal = false } = {}) {
    this.origin = key === null ? null : { step: this.step, key };
    if (key !== null) {
      this.focusable(key);
      const card = this.picture.cards.get(key);
      if (reveal) this.camera.reveal(card);
    }
    this.show();
    this.links.write();
  }

  activate(key) {
    this.select(this.origin?.step === this.step && this.origin.key === key ? null : key);
    if (this.origin) byId("selected").scrollIntoView({ block: "nearest" });
  }

  showSelected() {
    byId("selected").hidden = !this.origin;
    if (!this.origin) return;
    const { step, key } = this.origin;
    const box = this.stages.box(step, key);
    byId("selected-title").replaceChildren(
      isolated(box.name),
      html("span", { class: "made" }, box.shape || (box.caption ?? "scalar")),
    );
    const around = [];
    let told = "";
    for (let other = 0; other <= this.last; other++) {
      if (other === step) continue;
      const keys = [...this.stages.follow(step, key, other)];
      if (!keys.length) continue;
      if (keys.length === 1 && this.same(other, keys[0], box) && !this.stages.list[other].scalars) continue;
      const word = other < step ? "made of" : "becomes";
      const noun = this.stages.list[other].scalars ? "scalar" : "group";
      const piles = keys.map((k) => this.stages.box(other, k)).filter((b) => b.pile);
      const count =
        piles.length === 1 && keys.length === 1 ? piles[0].caption : plural(keys.length, piles.length ? "pile" : noun);
      const same = `${count} ${keys.map((k) => this.stages.box(other, k).members ?? this.stages.box(other, k).name)}`;
      if (same === told) continue; // as at the stage before
      told = same;
      around.push(this.names(`${this.stages.list[other].title}: ${word} ${count}`, keys, other));
    }
    byId("selected-body").replaceChildren(
      ...[
        box.statement.length > 0 && html("p", { class: "statement" }, box.statement.join("\n")),
        box.members &&
          html(
            "p",
            { class: "note" },
            `${box.caption}: ${box.members.join(", ")}${box.members.length < 20 ? "" : ", …"}`,
          ),
        ...around,
        html(
          "div",
          { class: "actions" },
          button("Deselect", () => this.select(null)),
        ),
      ].filter(Boolean),
    );
  }

  same(step, key, box) {
    const other = this.stages.box(step, key);
    return other.name === box.name && other.statement.join() === box.statement.join();
  }

  // ---------------------------------------------------------------------------------------------- search, focus, links

  hitsOf(query) {
    const wanted = normal(query.trim());
    return this.stage.boxes
      .filter((box) => [box.name, box.statement.join(" ")].some((text) => normal(text).includes(wanted)))
      .map((box) => box.key);
  }

  targets() {
    return [...this.picture.cards.keys()];
  }

  homeKey() {
    return this.stage.boxes.at(-1)?.key;
  }

  place() {
    return { step: this.step, ...(this.origin ? { of: this.origin.step, box: this.origin.key } : {}) };
  }

  goTo(parameters) {
    const step = Number(parameters.get("step") ?? NaN);
    const of = Number(parameters.get("of") ?? NaN);
    const key = parameters.get("box");
    if (this.stages.place[of]?.has(key)) this.origin = { step: of, key };
    if (Number.isFinite(step)) this.go(step, { quiet: true });
  }

  about({ box }) {
    const line = (text) => html("div", {}, text);
    return [
      html("strong", {}, isolated(box.name), box.shape ? ` ${box.shape}` : ""),
      ...box.statement.map(line),
      ...(box.caption ? [html("p", {}, box.caption)] : []),
      ...(box.mark ? [html("p", {}, MARKS[box.mark])] : []),
    ];
  }

  resized() {
    this.draw();
    this.show();
  }
}

new PassesPage();

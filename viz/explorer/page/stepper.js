// A page through whose steps one goes, whatever they are: the transport, the search, the focus, the theme.
//
// A page of its own extends it with: last, titleOf(step), go(step, {quiet}), show(), select(thing, {reveal}),
// activate(key), hitsOf(query), targets(), homeKey(), place(), goTo(parameters), about(card), resized(); and it has a
// `picture`, a `camera` and `links`.

const BASE_DELAY = 1000;

class Stepper {
  constructor() {
    this.step = 0;
    this.selected = null;
    this.found = null;
    this.timer = null;
    this.noun = "node";
  }

  showControls() {
    const { step, last } = this;
    const scrubber = byId("scrubber");
    scrubber.max = last;
    scrubber.value = step;
    setAttribute(scrubber, "aria-valuetext", `step ${step} of ${last}: ${this.titleOf(step)}`);
    setText(byId("position"), `${step} / ${last}`);
    for (const id of ["first", "back"]) byId(id).disabled = step === 0;
    for (const id of ["next", "last"]) byId(id).disabled = step === last;
    byId("play").setAttribute("aria-label", this.timer ? "Pause" : "Play");
    byId("play").classList.toggle("playing", Boolean(this.timer));
  }

  delay() {
    return BASE_DELAY / Number(byId("speed").value);
  }

  play() {
    if (this.timer) return this.pause();
    if (this.step === this.last) this.go(0, { quiet: true });
    const tick = () => {
      this.timer = setTimeout(tick, this.delay());
      this.go(this.step + 1, { quiet: true });
      if (this.step === this.last) this.pause();
    };
    this.timer = setTimeout(tick, this.delay() / 3);
    return this.showControls();
  }

  pause() {
    clearTimeout(this.timer);
    const played = this.timer;
    this.timer = null;
    if (played) {
      this.show();
      this.links.write();
    }
  }

  /** To the next step that shows something else; here every step does. */
  stepOver(direction) {
    this.go(this.step + direction);
  }

  // ---------------------------------------------------------------------------------------------- focus

  /** One card can be tabbed to; the others are reached from it with the arrow keys. */
  focusable(key) {
    const wanted = key ?? this.homeKey();
    this.tabbable?.setAttribute("tabindex", "-1");
    this.tabbable = this.picture.target(wanted);
    this.tabbable?.setAttribute("tabindex", "0");
  }

  moveFocus(by) {
    const keys = this.targets();
    const here = document.activeElement?.closest?.("[data-key]")?.dataset.key;
    const place = here ? keys.indexOf(here) + by : keys.length - 1;
    const key = keys[(place + keys.length) % keys.length];
    const card = this.picture.cards.get(key);
    this.focusable(key);
    // What is out of sight may not be drawn, and could not take the focus.
    if (card) this.camera.reveal(card, { near: true });
    this.picture.cull?.();
    this.picture.target(key).focus();
  }

  // ---------------------------------------------------------------------------------------------- search

  search(query, move = 0) {
    if (!query.trim()) {
      this.found = null;
      this.hit = null;
      setText(byId("hits"), "");
      return this.show();
    }
    const hits = this.hitsOf(query);
    this.found = new Set(hits);
    this.hit = move && hits.length ? ((this.hit ?? (move > 0 ? -1 : 0)) + move + hits.length) % hits.length : null;
    const text = hits.length === 0 ? "none" : this.hit === null ? `${hits.length}` : `${this.hit + 1} / ${hits.length}`;
    setText(byId("hits"), text);
    const { noun } = this;
    setText(byId("status"), hits.length ? `${plural(hits.length, noun)} found.` : `No ${noun} found.`);
    if (this.hit !== null) return this.select(hits[this.hit], { reveal: true });
    this.selected = null;
    return this.show();
  }

  // ---------------------------------------------------------------------------------------------- theme

  /** The theme of the notebook around the page, if that tells it; else the system's. */
  followTheme() {
    addEventListener("message", ({ source, data }) => {
      if (source !== parent || source === window || data?.explorer !== true || !("theme" in data)) return;
      this.around = ["light", "dark"].includes(data.theme) ? data.theme : null;
      if (!this.hasChosen) this.setTheme(this.usualTheme());
    });
  }

  usualTheme() {
    return this.around ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }

  /** The usual theme, or the other one. */
  switchTheme() {
    const now = document.documentElement.dataset.theme ?? this.usualTheme();
    const next = now === "dark" ? "light" : "dark";
    this.hasChosen = next !== this.usualTheme();
    this.setTheme(next);
    setText(byId("status"), `${next} theme`);
  }

  setTheme(theme) {
    const { dataset } = document.documentElement;
    if (theme === this.usualTheme() && !this.around) delete dataset.theme;
    else dataset.theme = theme;
  }
}

function normal(text) {
  return withPlainDigits(text.toLowerCase());
}

// What part of the drawing is seen: pan, zoom, fit; by pointer, by touch, by buttons.

const NEAREST = 2.5;
const FARTHEST = 0.005;
/** A canvas that is narrower is a phone's. */
const NARROW = 560;
/** Below these scales something could not be read, and is not drawn. */
const NUMBERS_READABLE = 0.5;
const LARGE_NUMBERS_READABLE = 0.34;
const NAMES_READABLE = 0.2;
/** What stands over the drawing's ends: the legend, and on a phone the buttons, which are large there. */
const ROOM = { above: 0, below: 30 };
const ROOM_ON_A_PHONE = { above: 30, below: 52 };
const GLIDE = 280;

class Camera {
  constructor(canvas, { embedded }) {
    this.canvas = canvas;
    this.scene = svg("g", { class: "scene" });
    this.canvas.append(this.scene);
    this.embedded = embedded;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.extent = { x: 0, y: 0, width: 1, height: 1 };
    this.fitted = true;
    this.pointers = new Map();
    this.dragged = false;
    this.listen();
  }

  size() {
    // Asking for it makes the browser lay out everything: it is known until it changes.
    this.known ??= { width: this.canvas.clientWidth || 800, height: this.canvas.clientHeight || 500 };
    return this.known;
  }

  apply() {
    this.scene.setAttribute(
      "transform",
      `translate(${this.x.toFixed(2)} ${this.y.toFixed(2)}) scale(${this.scale.toFixed(4)})`,
    );
    this.canvas.classList.toggle("far", this.scale < NUMBERS_READABLE);
    this.canvas.classList.toggle("farther", this.scale < LARGE_NUMBERS_READABLE);
    this.canvas.classList.toggle("farthest", this.scale < NAMES_READABLE);
    this.changed?.();
  }

  /** How high the part of the canvas is over which nothing stands, and where its middle is. */
  clearing() {
    const { width, height } = this.size();
    const { above, below } = width < NARROW ? ROOM_ON_A_PHONE : ROOM;
    return { clear: height - above - below, middle: above + (height - above - below) / 2 };
  }

  /** The scale at which everything can be seen. */
  fittingScale() {
    const { width, height } = this.size();
    const { clear } = this.clearing();
    const margin = Math.min(48, width / 16);
    const scale = Math.min((width - 2 * margin) / this.extent.width, (clear - 2 * Math.min(margin, height / 16)) / this.extent.height);
    return Math.min(1.25, Math.max(FARTHEST, scale));
  }

  /** Shows everything. */
  fit() {
    const { width } = this.size();
    this.scale = this.fittingScale();
    this.x = width / 2 - this.scale * (this.extent.x + this.extent.width / 2);
    this.y = this.clearing().middle - this.scale * (this.extent.y + this.extent.height / 2);
    this.fitted = true;
    this.apply();
  }

  /** Shows everything, or, where names could not be read then, what is around a card. */
  begin(card) {
    if (this.fittingScale() >= NAMES_READABLE) {
      this.fit();
      return;
    }
    const { width, height } = this.size();
    this.scale = 0.6;
    this.x = (width < NARROW ? 0.5 : 0.75) * width - this.scale * (card.left + card.width / 2);
    this.y = 0.5 * height - this.scale * (card.top + card.height / 2);
    this.fitted = false;
    this.apply();
  }

  /** Magnifies around a point of the window; the middle, if none is given. */
  zoom(factor, at) {
    const { width, height } = this.size();
    const point = at ?? { x: width / 2, y: height / 2 };
    const scale = Math.min(NEAREST, Math.max(FARTHEST, this.scale * factor));
    this.x = point.x - ((point.x - this.x) * scale) / this.scale;
    this.y = point.y - ((point.y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.apply();
  }

  /** The part of the drawing that is seen, in the drawing's own lengths. */
  view() {
    const { width, height } = this.size();
    return {
      x: -this.x / this.scale,
      y: -this.y / this.scale,
      width: width / this.scale,
      height: height / this.scale,
    };
  }

  /** Brings a place of the drawing into the middle. */
  lookAt(x, y) {
    const { width, height } = this.size();
    this.pan(width / 2 - this.scale * x - this.x, height / 2 - this.scale * y - this.y);
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.apply();
  }

  /** Moves a card that is out of sight into the middle; brings it so near that it can be read, if asked. */
  reveal(card, { near = false } = {}) {
    if (near && this.scale < 0.7) this.zoom(0.9 / this.scale);
    const { width, height } = this.size();
    const margin = 24;
    const way = (low, size, room) => {
      const seen = low >= margin && low + size <= room - margin;
      return seen ? 0 : (room - size) / 2 - low;
    };
    const dx = way(this.x + this.scale * card.left, this.scale * card.width, width);
    const dy = way(this.y + this.scale * card.top, this.scale * card.height, height - 40);
    if (dx || dy) this.pan(dx, dy);
  }

  /**
   * Moves a card into the middle, so near that its numbers can be read, if they cannot be read where it is. Returns
   * whether it came nearer.
   */
  follow(card, glides) {
    if (this.scale >= NUMBERS_READABLE) {
      if (!this.fitted) this.reveal(card);
      return false;
    }
    const { width } = this.size();
    const { x, y, scale } = this;
    this.scale = 0.9;
    this.x = width / 2 - this.scale * (card.left + card.width / 2);
    this.y = this.clearing().middle - this.scale * (card.top + card.height / 2);
    this.fitted = false;
    if (glides && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.glide({ x, y, scale });
    else this.apply();
    return true;
  }

  /** From a view to the one that is set, smoothly; what sets another one in the meantime has its way. */
  glide(from) {
    const to = { x: this.x, y: this.y, scale: this.scale };
    const start = performance.now();
    const frame = (now) => {
      if (this.x !== at.x || this.y !== at.y || this.scale !== at.scale) return;
      const t = Math.min(1, Math.max(0, (now - start) / GLIDE));
      const eased = t * t * (3 - 2 * t);
      const between = (name) => (t === 1 ? to[name] : from[name] + (to[name] - from[name]) * eased);
      at = { x: between("x"), y: between("y"), scale: from.scale * (to.scale / from.scale) ** eased };
      Object.assign(this, at);
      this.apply();
      if (t < 1) requestAnimationFrame(frame);
    };
    let at = from;
    Object.assign(this, from);
    requestAnimationFrame(frame);
  }

  /** Runs something that moves a place of the drawing, and keeps that place where it is on the screen. */
  holding(before, change, after) {
    const old = before();
    change();
    const now = after();
    if (old && now) {
      this.x += this.scale * (old.x - now.x);
      this.y += this.scale * (old.y - now.y);
    }
    this.apply();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener(
      "wheel",
      (event) => {
        // In a notebook the wheel alone scrolls the notebook.
        if (this.embedded && !event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        const lines = event.deltaMode === 1 ? 16 : 1;
        this.zoom(Math.exp((-event.deltaY * lines * (event.ctrlKey ? 3 : 1)) / 600), this.point(event));
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.pointers.set(event.pointerId, this.point(event));
      this.dragged = false;
      this.travelled = 0;
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      canvas.addEventListener(name, (event) => {
        this.pointers.delete(event.pointerId);
        canvas.classList.remove("dragging");
      });
    }
    // What ends a drag is no click on what lies under the pointer.
    canvas.addEventListener(
      "click",
      (event) => {
        if (this.dragged) event.stopImmediatePropagation();
        this.dragged = false;
      },
      { capture: true },
    );
    new ResizeObserver(() => {
      this.known = null;
      this.resized?.();
    }).observe(canvas);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.point(event);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (others.length) {
      const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
      this.zoom(distance(now, others[0]) / distance(before, others[0]), others[0]);
      this.dragged = true;
    } else {
      this.travelled += Math.hypot(now.x - before.x, now.y - before.y);
      if (this.travelled > 4 && !this.dragged) {
        this.dragged = true;
        this.canvas.setPointerCapture(event.pointerId);
        this.canvas.classList.add("dragging");
      }
      if (this.dragged) this.pan(now.x - before.x, now.y - before.y);
    }
    this.pointers.set(event.pointerId, now);
  }
}

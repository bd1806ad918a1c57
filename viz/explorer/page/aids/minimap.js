// The whole of a large graph, small, with the part that is seen; a press on it goes there.

/** Of fewer cards, or where everything is seen, there is none. */
const MINIMAP_CARDS = 40;
const MINIMAP = { width: 168, height: 116 };
const MINIMAP_ON_A_PHONE = { width: 112, height: 84 };

class Minimap {
  constructor(camera, picture) {
    this.camera = camera;
    this.picture = picture;
    this.canvas = byId("minimap");
    this.drawing = null;
    for (const name of ["pointerdown", "pointermove"]) {
      this.canvas.addEventListener(name, (event) => event.buttons && this.press(event));
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.drawSoon());
    new MutationObserver(() => this.drawSoon()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  /** Once a frame is often enough. */
  drawSoon() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      this.draw();
    });
  }

  isWanted() {
    const { camera, picture } = this;
    const { width, height } = camera.size();
    const { extent, scale } = camera;
    return picture.cards?.size >= MINIMAP_CARDS && (extent.width * scale > width || extent.height * scale > height);
  }

  draw() {
    const { canvas, camera } = this;
    canvas.hidden = !this.isWanted();
    if (canvas.hidden) return;
    const most = camera.size().width < NARROW ? MINIMAP_ON_A_PHONE : MINIMAP;
    const { extent } = camera;
    this.scale = Math.min(most.width / extent.width, most.height / extent.height);
    const size = { width: Math.max(24, extent.width * this.scale), height: Math.max(24, extent.height * this.scale) };
    const dense = window.devicePixelRatio || 1;
    for (const side of ["width", "height"]) {
      const pixels = Math.ceil(size[side] * dense);
      if (canvas[side] !== pixels) canvas[side] = pixels;
      canvas.style[side] = `${Math.ceil(size[side])}px`;
    }
    const context = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`);
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    this.drawCards(context, colour);
    const { x, y, width, height } = camera.view();
    context.strokeStyle = colour("ink");
    context.lineWidth = 1.5;
    context.strokeRect(this.scale * (x - extent.x), this.scale * (y - extent.y), this.scale * width, this.scale * height);
  }

  drawCards(context, colour) {
    const { picture, scale } = this;
    const { extent } = this.camera;
    const { view } = picture;
    const box = ({ left, top, width, height }, least) =>
      context.fillRect(
        scale * (left - extent.x),
        scale * (top - extent.y),
        Math.max(least, scale * width),
        Math.max(least, scale * height),
      );
    context.fillStyle = colour("faint");
    for (const card of picture.cards.values()) box(card, 1);
    if (view?.found) {
      context.fillStyle = colour("positive");
      for (const i of view.found) box(picture.cardOf(i), 4);
    }
    const node = view && view.walk.at(view.step).node;
    if (node === null || node === undefined) return;
    context.fillStyle = colour("active-ring");
    box(picture.cardOf(node), 6);
  }

  press(event) {
    const { extent } = this.camera;
    this.camera.lookAt(extent.x + event.offsetX / this.scale, extent.y + event.offsetY / this.scale);
  }
}

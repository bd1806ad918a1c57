// The drawing of one stage: dots for scalars, boxes for groups and piles, dashed frames for loops.

const SHAPE_FONT = "12px system-ui, sans-serif";
const STATEMENT_FONT =
  "12px ui-monospace, 'SF Mono', 'Cascadia Mono', 'Segoe UI Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace";
const DOT = { width: 15, height: 15 };
const DOT_GAP = 30;
const BOX_GAP = { LR: 44, TB: 30 };
const ROW = 16;
const MOVE = 520;

function isDot(box) {
  return !box.pile && (box.kind === "scalar" || box.kind === "leaf");
}

function sizeOf(box) {
  if (isDot(box)) return DOT;
  const title = measure(box.name, TITLE_FONT) + (box.shape ? measure(box.shape, SHAPE_FONT) + 22 : 0);
  const rows = box.statement.map((row) => measure(row, STATEMENT_FONT));
  const width = Math.max(84, title + 22, ...rows.map((row) => row + 22));
  return { width, height: (box.statement.length ? 31 : 30) + ROW * box.statement.length + (box.pile ? 15 : 0) };
}

class StagePicture {
  constructor(camera, stages) {
    this.camera = camera;
    this.stages = stages;
    this.cards = new Map();
    this.layers = {};
    for (const name of ["frames", "edges", "cards"]) {
      this.layers[name] = svg("g", { class: name });
      camera.scene.append(this.layers[name]);
    }
    this.layouts = new Map();
  }

  /** What is drawn of a stage in a direction: kept, as a layout takes its time. */
  layout(step, direction) {
    const name = `${step} ${direction}`;
    if (!this.layouts.has(name)) this.layouts.set(name, this.layOut(this.stages.list[step], direction));
    return this.layouts.get(name);
  }

  layOut(stage, direction) {
    const frameOf = new Map(stage.loops.flatMap((loop, k) => loop.keys.map((key) => [key, `l${k}`])));
    const items = new Map(
      stage.boxes.map((box, node) => [
        box.key,
        { key: box.key, node, group: frameOf.get(box.key) ?? null, ...sizeOf(box) },
      ]),
    );
    const groups = new Map(
      stage.loops.map((loop, k) => [
        `l${k}`,
        { key: `l${k}`, group: loop.within === null ? null : `l${loop.within}`, title: loop.title, least: 1.4 * measure(loop.title, TITLE_FONT) + 26 },
      ]),
    );
    const edges = stage.boxes.flatMap((box) =>
      box.reads.map((read) => ({ source: stage.boxes[read].key, target: box.key, uses: [{}] })),
    );
    const isDots = stage.boxes.some(isDot);
    const layout = layOut(items, groups, edges, direction, isDots ? DOT_GAP : BOX_GAP[direction]);
    return { items, groups, edges, layout, isDots, extent: extentOf(items, layout), direction };
  }

  /** Draws a stage; what was there before moves to where it is now. */
  draw(step, direction, { moves }) {
    const before = this.cards;
    const { items, groups, edges, layout, isDots, extent } = this.layout(step, direction);
    const stage = this.stages.list[step];
    this.cards = new Map();
    for (const item of items.values()) {
      const box = stage.boxes[item.node];
      this.cards.set(item.key, this.drawCard(box, item, layout.items.get(item.key)));
    }
    this.edges = curves(edges, items, layout, direction).map((edge) => ({
      ...edge,
      line: svg("path", { d: edge.path }),
    }));
    const frames = [...groups.values()].map((group) => {
      const { x, y, width, height } = layout.groups.get(group.key);
      const title = svg("text", { class: "title", x: x + 12, y: y + 18 }, group.title);
      return svg("g", { class: "frame loop" }, svg("rect", { class: "border", x, y, width, height }), title);
    });
    this.layers.frames.replaceChildren(...frames);
    this.layers.edges.replaceChildren(...this.edges.map((edge) => edge.line));
    this.layers.cards.replaceChildren(...[...this.cards.values()].map((card) => card.group));
    this.camera.canvas.classList.toggle("dots", isDots);
    this.camera.extent = extent;
    if (moves) this.move(stage, before);
  }

  drawCard(box, { key, node, width, height }, { x, y }) {
    const left = x - width / 2;
    const top = y - height / 2;
    const group = svg("g", {
      transform: `translate(${left.toFixed(1)} ${top.toFixed(1)})`,
      tabindex: "-1",
      role: "button",
      "data-key": key,
      "aria-label": spokenBox(box),
    });
    const classes = [
      "card",
      isDot(box) ? "dot" : "box",
      box.kind,
      ...(box.result ? ["result"] : []),
      ...(box.inlined ? ["inlined"] : []),
    ];
    const card = { key, node, box, x, y, left, top, width, height, group, classes: classes.join(" ") };
    if (isDot(box)) this.fillDot(card);
    else this.fillBox(card);
    return card;
  }

  fillDot({ box, group, width, height }) {
    const round = box.kind === "leaf" ? 2 : width / 2;
    group.append(
      svg("rect", { class: "ring", x: -4, y: -4, width: width + 8, height: height + 8, rx: round + 4 }),
      svg("rect", { class: `face ${box.kind === "leaf" ? "" : this.stages.colourOf(box)}`, width, height, rx: round }),
    );
  }

  fillBox({ box, group, width, height }) {
    if (box.pile) group.append(svg("rect", { class: "behind", x: 4, y: 4, width, height, rx: 9 }));
    group.append(
      svg("rect", { class: "ring", x: -4, y: -4, width: width + 8, height: height + 8, rx: 12 }),
      svg("rect", { class: "face", width, height, rx: 9 }),
    );
    if (box.kind !== "input") {
      group.append(
        svg("rect", {
          class: `colour ${this.stages.colourOf(box)}`,
          x: 5,
          y: 8,
          width: 3.5,
          height: height - 16,
          rx: 1.7,
        }),
      );
    }
    const title = svg("text", { class: "title", x: 13, y: 20 }, box.name);
    title.style.setProperty("--far", Math.min(26, (13 * (width - 24)) / measure(box.name, TITLE_FONT)).toFixed(1));
    group.append(title);
    if (box.shape) group.append(svg("text", { class: "shape", x: width - 10, y: 20, "text-anchor": "end" }, box.shape));
    box.statement.forEach((row, k) => {
      const line = svg("text", { class: "statement", x: 13, y: 38 + ROW * k }, row);
      group.append(line);
    });
    if (box.pile) group.append(svg("text", { class: "caption", x: 13, y: height - 8 }, box.caption));
  }

  /** Lets boxes come from where they, or what they were made of, stood before. */
  move(stage, before) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches || this.cards.size > 600) return;
    for (const card of this.cards.values()) {
      const { from, key } = card.box;
      const known = from.length ? from : [key];
      const old = known.map((k) => before.get(k)).filter(Boolean);
      if (!old.length) {
        card.group.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MOVE });
        continue;
      }
      const mean = (side) => old.reduce((sum, c) => sum + c[side], 0) / old.length;
      const to = `translate(${card.left.toFixed(1)}px, ${card.top.toFixed(1)}px)`;
      const start = `translate(${(mean("x") - card.width / 2).toFixed(1)}px, ${(mean("y") - card.height / 2).toFixed(1)}px)`;
      card.group.animate([{ transform: start }, { transform: to }], { duration: MOVE, easing: "ease-in-out" });
    }
    this.layers.edges.animate([{ opacity: 0 }, { opacity: 0, offset: 0.6 }, { opacity: 1 }], { duration: MOVE });
    this.layers.frames.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MOVE });
  }

  target(key) {
    return this.cards.get(key)?.group;
  }

  /** Marks what a pass did, what was found, and the selected ones with their kin. */
  show({ step, selected, found }) {
    const chosen = selected ?? new Set();
    const ancestors = chosen.size ? this.stages.ancestors(step, chosen) : new Set();
    const descendants = chosen.size ? this.stages.descendants(step, chosen) : new Set();
    const kin = (key) => {
      if (chosen.has(key)) return "selected";
      return ancestors.has(key) ? "ancestor" : descendants.has(key) ? "descendant" : "aside";
    };
    for (const [key, card] of this.cards) {
      const classes = [card.classes];
      if (selected) classes.push(kin(key));
      else if (found) classes.push(found.has(key) ? "found" : "aside");
      else if (card.box.mark) classes.push(card.box.mark);
      setAttribute(card.group, "class", classes.join(" "));
      setAttribute(card.group, "aria-pressed", String(chosen.has(key)));
    }
    const within = (keys, ...ends) => ends.every((key) => chosen.has(key) || keys.has(key));
    for (const { line, source, target } of this.edges) {
      const classes = ["edge"];
      if (selected) {
        if (within(ancestors, source, target)) classes.push("of-ancestor");
        else if (within(descendants, source, target)) classes.push("of-descendant");
        else classes.push("aside");
      } else if (found) classes.push("aside");
      setAttribute(line, "class", classes.join(" "));
    }
  }
}

function spokenBox(box) {
  const parts = [box.name, box.shape, box.statement.join(" "), box.caption, box.mark];
  return parts.filter(Boolean).join(", ");
}

// The cards of nodes and of closed modules, and the frames of open ones.

const HEIGHT = { node: 66, constant: 26, module: 50 };
const LEAST_WIDTH = 112;
const MOST_WIDTH = 230;
const SYMBOL_FONT = "13px system-ui, sans-serif";

function sizeOfNode(model, i) {
  if (model.isConstant(i)) {
    return { width: Math.max(26, measure(model.described(i), SYMBOL_FONT) + 16), height: HEIGHT.constant };
  }
  const record = model.record(i);
  const symbol = record ? measure(record.symbol, SYMBOL_FONT) + 16 : 0;
  const width = measure(model.name(i), TITLE_FONT) + symbol + 24;
  return { width: Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, width)), height: HEIGHT.node };
}

function sizeOfModule(module) {
  return { width: Math.max(LEAST_WIDTH, measure(module.name, TITLE_FONT) + 52), height: HEIGHT.module };
}

/** A card, whose `group` is then in no document yet, and empty until it is filled. */
function emptyCard(model, item, { x, y }) {
  const { width, height } = item;
  const left = x - width / 2;
  const top = y - height / 2;
  const kind = item.module !== undefined ? "module" : model.isConstant(item.node) ? "constant" : "node";
  const classes = ["card", kind];
  if (kind === "node" && item.node === model.root) classes.push("output");
  if (kind === "node" && !model.record(item.node)) classes.push("leaf");
  const group = svg("g", {
    class: classes.join(" "),
    transform: `translate(${left.toFixed(1)} ${top.toFixed(1)})`,
    tabindex: "-1",
    role: "button",
    "data-key": item.key,
    "aria-expanded": kind === "module" ? "false" : undefined,
  });
  return { ...item, kind, x, y, left, top, group, classes: classes.join(" "), text: {}, filled: false, seen: false };
}

/** Draws what is in a card; its `text` then says where its numbers go. */
function fillCard(model, card) {
  const { kind, group, width, height } = card;
  card.filled = true;
  if (kind === "module") group.append(svg("rect", { class: "behind", x: 4, y: 4, width, height, rx: 9 }));
  group.append(
    svg("rect", { class: "ring", x: -4, y: -4, width: width + 8, height: height + 8, rx: 12 }),
    svg("rect", { class: "face", width, height, rx: 9 }),
  );
  ({ node: fillNode, constant: fillConstant, module: fillModule })[kind](model, card);
}

function fillNode(model, card) {
  const i = card.node;
  const record = model.record(i);
  const right = { x: card.width - 9, "text-anchor": "end" };
  const symbol = record ? measure(record.symbol, SYMBOL_FONT) + 14 : 0;
  const name = shortenedTo(model.name(i), card.width - 22 - symbol, TITLE_FONT);
  card.group.append(heading(name, 19, card.width - 1.3 * symbol));
  if (record) {
    const size = record.symbol.length < 3 ? "symbol short" : "symbol";
    card.group.append(symbolOf(record, card.width, { class: size, y: 19, ...right }));
  }
  for (const [name, y] of [
    ["data", 39],
    ["grad", 56],
  ]) {
    card.text[name] = svg("text", { class: `number ${name}`, y, ...right });
    card.group.append(svg("text", { class: "caption", x: 9, y }, name), card.text[name]);
  }
}

function fillConstant(model, card) {
  const text = model.described(card.node);
  card.group.append(svg("text", { class: "number", x: card.width / 2, y: 17.5, "text-anchor": "middle" }, text));
}

function fillModule(model, card) {
  const { name } = model.modules[card.module];
  card.group.append(
    heading(name, 20, card.width),
    svg("text", { class: "caption", x: 9, y: 38 }, plural(card.nodes.length, "node")),
    sign("+", card.width - 17, 15),
  );
}

/** The frame around an open module, with what closes it. */
function drawFrame(model, group, { x, y, width, height }) {
  const { path, name } = model.modules[group.module];
  const length = Math.min(width - 12, measure(name, TITLE_FONT) + 34);
  const closer = svg(
    "g",
    {
      class: "closer",
      role: "button",
      tabindex: "-1",
      "data-key": group.key,
      "aria-label": `Collapse ${apart(path)}`,
      "aria-expanded": "true",
    },
    svg("rect", { class: "ring", x: x + 6, y: y + 4, width: length, height: 22, rx: 7 }),
    sign(MINUS, x + 18, y + 15),
    svg("text", { class: "title", x: x + 30, y: y + 19.5 }, name),
  );
  return svg("g", { class: "frame" }, svg("rect", { class: "border", x, y, width, height, rx: 14 }), closer);
}

/** The operation on a card; from afar it is in the middle, as large as there is room: it can be read the longest. */
function symbolOf(record, width, attributes) {
  const made = svg("text", attributes, record.symbol);
  const size = Math.min(record.symbol.length < 3 ? 64 : 44, (13 * (width - 12)) / measure(record.symbol, SYMBOL_FONT));
  made.style.setProperty("--farther", size.toFixed(1));
  made.style.setProperty("--middle", `${(9 - width / 2).toFixed(1)}px`);
  made.style.setProperty("--down", `${(14 + size / 3).toFixed(1)}px`);
  return made;
}

/** The name on a card; from afar it is written as large as there is room. */
function heading(text, y, width) {
  const made = svg("text", { class: "title", x: 9, y }, text);
  made.style.setProperty("--far", Math.min(22, (13 * (width - 20)) / measure(text, TITLE_FONT)).toFixed(1));
  return made;
}

function sign(text, x, y) {
  const letter = svg("text", { x, y: y + 4.5, "text-anchor": "middle" }, text);
  return svg("g", { class: "sign", "aria-hidden": "true" }, svg("circle", { cx: x, cy: y, r: 8 }), letter);
}

function shortenedTo(text, width, font) {
  if (measure(text, font) <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && measure(`${characters.join("")}…`, font) > width) characters.pop();
  return `${characters.join("")}…`;
}

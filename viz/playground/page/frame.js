// The explorer within the playground: it takes new graphs from the page around it, and tells what was selected.

const tell = (message) => parent.postMessage({ playground: true, ...message }, "*");

addEventListener("message", ({ source, data }) => {
  if (source !== parent) return;
  if (data?.graph) showGraph(data.graph, data.number);
  if (data?.theme) document.documentElement.dataset.theme = data.theme;
  if (data?.svg) tell({ svg: pictureAsFile() });
});

/** Another graph, seen from its end; the numbers of the leaves are then the live ones. */
function showGraph(graph, number) {
  shown = number;
  const model = new Model(graph);
  explorer.main = model;
  explorer.load(model, false);
  const { live } = explorer;
  clearTimeout(live.resting);
  live.wantsCurve = false;
  live.model = model;
  live.leaves = model.leaves();
  live.difference = null;
  live.curve = null;
  live.current = null;
  live.editing = null;
  live.pending.clear();
  byId("live-filter").hidden = live.leaves.length <= 8;
  byId("live-filter").value = "";
  live.list("");
  live.complain("");
  if (live.leaves.length) live.consider(live.leaves[0]);
}

/** Which graph is shown: what is asked about another is not answered, and an answer about another not taken. */
let shown = 0;
const ask = explorer.live.ask;
explorer.live.ask = async (request) => {
  const number = shown;
  const answer = await ask({ number, request });
  return number === shown ? answer : {};
};

const select = explorer.select.bind(explorer);
explorer.select = (i, options) => {
  select(i, options);
  tell({ selected: i });
};

// ------------------------------------------------------------------------------------------------ the picture as a file

const PROPERTIES = [
  ...["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin"],
  ...["opacity", "font-family", "font-size", "font-weight", "font-style", "letter-spacing"],
  ...["text-anchor", "dominant-baseline", "paint-order", "marker-start", "marker-end"],
];

/** All of the graph as it looks at this step: an SVG file that needs no style sheet. */
function pictureAsFile() {
  const canvas = byId("canvas");
  const copy = canvas.cloneNode(true);
  const [from, to] = [canvas, copy].map((root) => [...root.querySelectorAll("*")]);
  const unseen = [];
  from.forEach((element, k) => {
    const style = getComputedStyle(element);
    if (style.display === "none" && !element.closest("defs")) unseen.push(to[k]);
    for (const name of PROPERTIES) {
      const value = style.getPropertyValue(name);
      if (value && value !== "none" && value !== "normal") to[k].setAttribute(name, value.replace(/url\("(#[^"]+)"\)/, "url($1)"));
      else if (name === "fill" && value === "none") to[k].setAttribute(name, value);
    }
    for (const name of ["class", "tabindex", "role", "aria-label", "aria-pressed", "data-key", "style"]) to[k].removeAttribute(name);
  });
  for (const element of unseen) element.remove();
  const scene = canvas.querySelector(".scene");
  const { x, y, width, height } = scene.getBBox();
  const margin = 16;
  const box = [x - margin, y - margin, width + 2 * margin, height + 2 * margin].map((u) => u.toFixed(1));
  for (const { name } of [...copy.attributes]) copy.removeAttribute(name);
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("viewBox", box.join(" "));
  copy.setAttribute("width", box[2]);
  copy.setAttribute("height", box[3]);
  to[from.indexOf(scene)].removeAttribute("transform");
  const paper = svg("rect", { x: box[0], y: box[1], width: box[2], height: box[3], fill: getComputedStyle(document.body).backgroundColor });
  copy.querySelector("defs").after(paper);
  return { text: new XMLSerializer().serializeToString(copy), width: Number(box[2]), height: Number(box[3]) };
}

tell({ ready: true });

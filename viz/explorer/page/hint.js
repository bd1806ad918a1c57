// What a card stands for, beside it, while the pointer or the focus is on it.

/** Shows it for the card with this key; hides it, if there is none. */
function showHint({ picture, model, walk, step }, key) {
  const tip = byId("tip");
  const card = key && picture.cards.get(key);
  tip.hidden = !card;
  if (!card) return;
  tip.replaceChildren(
    ...(card.node === undefined ? aboutModule(model, card) : aboutNode(model, card.node, walk, step)),
  );
  const box = card.group.getBoundingClientRect();
  const around = byId("canvas").getBoundingClientRect();
  const below = box.bottom + tip.offsetHeight + 12 < around.bottom;
  const left = Math.max(8, Math.min(box.left - around.left, around.width - tip.offsetWidth - 8));
  const top = below ? box.bottom - around.top + 8 : Math.max(8, box.top - around.top - tip.offsetHeight - 8);
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}

function aboutModule(model, card) {
  const path = html("strong", {}, isolated(model.modules[card.module].path));
  return [path, html("p", {}, `${plural(card.nodes.length, "node")}. Click to expand.`)];
}

function aboutNode(model, i, walk, step) {
  const line = (name, text, sign = "") =>
    html("div", {}, html("span", { class: "caption" }, name), html("span", { class: sign }, text));
  const record = model.record(i);
  const { evaluated, adjoint, gradient } = walk.state(i, step);
  const soFar = gradient === "partial" ? "gradient so far" : "gradient";
  return [
    html("strong", {}, isolated(model.nodes[i].label ?? model.name(i))),
    ...(record ? [html("p", {}, `${model.nodes[i].op}: ${plain(record.doc)}`)] : []),
    line("value", evaluated ? exact(model.data[i]) : "not evaluated yet"),
    ...(adjoint === null ? [] : [line(soFar, exact(adjoint), signOf(adjoint))]),
  ];
}

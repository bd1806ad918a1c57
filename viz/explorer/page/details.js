// Everything about the selected node.

/** The elements that tell it; `actions` is what their buttons do. */
function detailsOf(model, i, walk, actions) {
  const node = model.nodes[i];
  const kin = (mark, text) => html("p", { class: "kin" }, html("span", { class: `key ${mark}` }), text);
  return [
    fullLabel(model, i),
    html("dl", {}, ...factsOf(model, i).flatMap(([name, ...text]) => [html("dt", {}, name), html("dd", {}, ...text)])),
    kin("ancestor", `computed from ${plural(model.ancestors(i).size, "node")}`),
    kin("descendant", `used by ${plural(model.descendants(i).size, "node")}`),
    html(
      "div",
      { class: "actions" },
      node.op && button("Its evaluation", () => actions.go(walk.forwardStep[i])),
      Number.isFinite(walk.backwardStep(i)) && button("Its gradient", () => actions.go(walk.backwardStep(i))),
      node.module !== undefined && button("Collapse its module", () => actions.collapse(node.module)),
      button("Deselect", () => actions.select(null)),
    ),
  ].filter(Boolean);
}

function factsOf(model, i) {
  const node = model.nodes[i];
  const record = model.record(i);
  const meaning = record ? [["stands for", html("code", {}, standsFor(model, i))]] : [];
  const facts = [...meaning, ["value", exact(model.data[i])]];
  if (!model.isConstant(i)) {
    const right = model.right.adjoint[i];
    facts.push(["gradient", html("span", { class: signOf(right) }, exact(right))]);
    const stored = model.grad[i];
    const remark = html("span", { class: "note" }, " as backward() left it");
    if (differs(stored, right)) facts.push([".grad", exact(stored), remark]);
  }
  if (record) facts.push(["operation", `${node.op}: ${plain(record.doc)}`]);
  if (record?.convention) facts.push(["at a kink", plain(record.convention)]);
  if (node.module !== undefined) facts.push(["module", isolated(model.modules[node.module].path)]);
  return [...facts, ["kind", kindOf(model, i)]];
}

function kindOf(model, i) {
  if (i === model.root) return "the output";
  if (model.isConstant(i)) return "a constant: it gets no gradient";
  return model.isLeaf(i) ? "a leaf" : "computed";
}

/** A label that is longer than the name in the card. */
function fullLabel(model, i) {
  const { label, name } = model.nodes[i];
  return label && label !== name ? html("p", { class: "label" }, isolated(label)) : null;
}

/** A docstring's text without the marks of code. */
function plain(text) {
  return text.replace(/``/g, "");
}

// What the pointer shows over a card.

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
    ...(record ? [html("p", {}, html("code", {}, `${model.spoken(i)} = ${standsFor(model, i)}`))] : []),
    ...(record ? [html("p", {}, `${model.nodes[i].op}: ${plain(record.doc)}`)] : []),
    line("value", evaluated ? exact(model.data[i]) : "not evaluated yet"),
    ...(adjoint === null ? [] : [line(soFar, exact(adjoint), signOf(adjoint))]),
  ];
}

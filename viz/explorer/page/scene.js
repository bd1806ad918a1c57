// What of a graph is to be seen: nodes, and closed modules in the place of their nodes.

/** For each node the key of the card that stands for it: its own, or that of the outermost closed module around it. */
function cardOfEach(model, collapsed) {
  const closed = [];
  model.modules.forEach((module, k) => {
    closed[k] = (module.around >= 0 ? closed[module.around] : null) ?? (collapsed.has(k) ? `m${k}` : null);
  });
  return model.nodes.map((node, i) => (node.module === undefined ? null : closed[node.module]) ?? `n${i}`);
}

/** The cards, and the frames of open modules, each with the frame that it is in. */
function contents(model, collapsed, shown) {
  const items = new Map();
  const groups = new Map();
  const open = (k) => (k === undefined || k < 0 ? null : `g${k}`);
  model.modules.forEach((module, k) => {
    const group = open(module.around);
    if (group !== null && !groups.has(group)) return; // within a closed one
    if (!collapsed.has(k)) groups.set(`g${k}`, { key: `g${k}`, group, module: k });
    else items.set(`m${k}`, { key: `m${k}`, group, module: k, nodes: [], ...sizeOfModule(module) });
  });
  shown.forEach((key, i) => {
    if (items.has(key)) items.get(key).nodes.push(i);
    else items.set(key, { key, group: open(model.nodes[i].module), node: i, nodes: [i], ...sizeOfNode(model, i) });
  });
  for (const [key, item] of items) if (!item.nodes.length) items.delete(key);
  return { items, groups };
}

/** Which modules are closed, so that there are few cards: they are opened level by level, from the outermost on. */
function closedAtFirst(model, most) {
  const all = [...model.modules.keys()];
  let closed = new Set(all);
  for (;;) {
    const level = all.filter((k) => closed.has(k) && !closed.has(model.modules[k].around));
    const fewer = new Set(all.filter((k) => !level.includes(k) && closed.has(k)));
    if (!level.length || new Set(cardOfEach(model, fewer)).size > most) return closed;
    closed = fewer;
  }
}

/** One edge for each pair of cards, with all the uses that it stands for. */
function connections(model, shown) {
  const found = new Map();
  model.operands.forEach((operands, user) => {
    operands.forEach((operand, place) => {
      const [source, target] = [shown[operand], shown[user]];
      if (source === target) return;
      const key = `${source} ${target}`;
      if (!found.has(key)) found.set(key, { source, target, uses: [] });
      found.get(key).uses.push({ operand, user, place });
    });
  });
  return [...found.values()];
}

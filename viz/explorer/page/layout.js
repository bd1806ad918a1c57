// Where everything goes: modules that are open are boxes, laid out from the inside out, each by layers.

const GAP_ALONG = { LR: 64, TB: 50 };
const PADDING = 14;
const TITLE = 24;

/**
 * Lays out what is to be seen.
 *
 * items: Map from a key to {key, group, width, height}; groups: Map from a key to {key, group, least?}, each after the one
 * that holds it, and at least so wide; group is the key of the open module around it, or null; edges: [{source, target}] by keys of items; gap:
 * between layers.
 * Returns {items: Map of {x, y} (middles), groups: Map of {x, y, width, height}, edges: [[{from, to, across}]]}.
 */
function layOut(items, groups, edges, direction, gap = GAP_ALONG[direction]) {
  const levels = new Map([[null, level(null)]]);
  for (const group of groups.values()) levels.set(group.key, level(group));
  const around = (key) => (items.get(key) ?? groups.get(key)).group;
  const chain = (key) => {
    const found = [];
    for (let group = around(key); group !== null; group = around(group)) found.push(group);
    return [...found, null];
  };
  for (const { key, group } of [...items.values(), ...groups.values()]) levels.get(group).members.add(key);
  const routes = edges.map((edge) => route(edge, levels, chain(edge.source), chain(edge.target)));

  // From the inside out: a module is laid out before the one that holds it needs its size.
  for (const current of [...levels.values()].reverse()) arrange(current, items, levels, direction, gap);
  place(levels, groups);

  return {
    items: new Map([...items.keys()].map((key) => [key, turned(middle(levels.get(around(key)), key), direction)])),
    groups: new Map([...groups.keys()].map((key) => [key, box(levels.get(key), direction)])),
    edges: routes.map((steps) => spans(steps, levels)),
  };
}

function level(group) {
  const [key, around] = group ? [group.key, group.group] : [null, null];
  return { key, around, least: group?.least ?? 0, members: new Set(), ports: new Map(), links: new Map() };
}

/** The links that an edge has in the levels that it passes: out of modules, across, and into modules. */
function route(edge, levels, up, down) {
  const shared = up.find((group) => down.includes(group));
  const outward = up.slice(0, up.indexOf(shared));
  const inward = down.slice(0, down.indexOf(shared)).reverse();
  const steps = [];
  const step = (group, from, to) => steps.push({ group, link: linked(levels.get(group), edge, from, to) });
  let from = edge.source;
  for (const group of outward) {
    step(group, from, port(levels.get(group), "out", edge.source));
    from = group;
  }
  const first = inward.length ? inward[0] : edge.target;
  step(shared, from, first);
  inward.forEach((group, k) => {
    step(group, port(levels.get(group), "in", edge.source), k + 1 < inward.length ? inward[k + 1] : edge.target);
  });
  return steps;
}

/** Where what comes from one source crosses the border of a module. */
function port(current, side, source) {
  const key = `${side} ${source}`;
  if (!current.ports.has(key)) current.ports.set(key, { side, source });
  return key;
}

function linked(current, edge, from, to) {
  const key = JSON.stringify([from, to, edge.source]);
  if (!current.links.has(key)) current.links.set(key, { from, to, source: edge.source });
  return current.links.get(key);
}

/** Lays out one level; its members' sizes are known by now. */
function arrange(current, items, levels, direction, gap) {
  const keys = [...current.members];
  const vertices = keys.map((key) => {
    const inner = levels.get(key);
    if (inner) return { along: inner.along, across: inner.across };
    const { width, height } = items.get(key);
    return direction === "LR" ? { along: width, across: height } : { along: height, across: width };
  });
  const number = new Map(keys.map((key, k) => [key, k]));
  for (const [key, { side }] of current.ports) {
    number.set(key, vertices.length);
    vertices.push({ along: 0, across: 4, first: side === "in", last: side === "out" });
  }
  const links = [...current.links.values()];
  for (const link of links) {
    link.fromShift = shiftAt(levels.get(link.from), "out", link.source);
    link.toShift = shiftAt(levels.get(link.to), "in", link.source);
  }
  const found = layered(
    vertices,
    links.map((link) => ({ ...link, from: number.get(link.from), to: number.get(link.to) })),
    gap,
  );
  links.forEach((link, k) => (link.spans = found.links[k]));
  current.places = new Map([...number].map(([key, k]) => [key, found.vertices[k]]));
  const framed = current.key !== null;
  current.before = {
    along: framed ? PADDING + (direction === "TB" ? TITLE : 0) : 0,
    across: framed ? PADDING + (direction === "LR" ? TITLE : 0) : 0,
  };
  const least = framed
    ? { along: direction === "LR" ? current.least : 0, across: Math.max(90, direction === "TB" ? current.least : 0) }
    : { along: 0, across: 0 };
  current.along = Math.max(found.length + (framed ? current.before.along + PADDING : 0), least.along);
  current.across = Math.max(found.breadth + (framed ? current.before.across + PADDING : 0), least.across);
  for (const [key, crossing] of current.ports) {
    crossing.shift = current.places.get(key).across + current.before.across - current.across / 2;
  }
}

/** How far beside its middle a source's edges cross the border of a module; 0 for what is no open module. */
function shiftAt(inner, side, source) {
  return inner?.ports.get(`${side} ${source}`)?.shift ?? 0;
}

/** From places within a level to places in the whole, from the outside in. */
function place(levels, groups) {
  levels.get(null).origin = { along: 0, across: 0 };
  for (const group of groups.values()) {
    const outer = levels.get(group.group);
    const inner = levels.get(group.key);
    const centre = middle(outer, group.key);
    inner.origin = { along: centre.along - inner.along / 2, across: centre.across - inner.across / 2 };
  }
}

function middle(current, key) {
  const spot = current.places.get(key);
  return {
    along: current.origin.along + current.before.along + spot.along,
    across: current.origin.across + current.before.across + spot.across,
  };
}

function turned({ along, across }, direction) {
  return direction === "LR" ? { x: along, y: across } : { x: across, y: along };
}

function box(current, direction) {
  const { x, y } = turned(current.origin, direction);
  const [width, height] = direction === "LR" ? [current.along, current.across] : [current.across, current.along];
  return { x, y, width, height };
}

/** The straight pieces of an edge's way, between which it is curved: through layers, and across borders of modules. */
function spans(steps, levels) {
  const found = [];
  steps.forEach(({ group, link }, k) => {
    const current = levels.get(group);
    const origin = {
      along: current.origin.along + current.before.along,
      across: current.origin.across + current.before.across,
    };
    for (const span of link.spans) {
      found.push({
        ...span,
        from: origin.along + span.from,
        to: origin.along + span.to,
        across: origin.across + span.across,
      });
    }
    if (k + 1 === steps.length) return;
    const next = levels.get(steps[k + 1].group);
    const leaves = next.key === current.around;
    const border = leaves ? current : next;
    const along = border.origin.along + (leaves ? border.along : 0);
    const inside = middle(border, leaves ? link.to : steps[k + 1].link.from);
    found.push({ from: Math.min(along, inside.along), to: Math.max(along, inside.along), across: inside.across });
  });
  return found;
}

/** The rectangle around everything. */
function extentOf(items, layout) {
  const boxes = [...items.values()].map((item) => {
    const { x, y } = layout.items.get(item.key);
    return { x: x - item.width / 2, y: y - item.height / 2, width: item.width, height: item.height };
  });
  boxes.push(...layout.groups.values());
  const low = (side) => boxes.reduce((least, box) => Math.min(least, box[side]), Infinity);
  const high = (side, size) => boxes.reduce((most, box) => Math.max(most, box[side] + box[size]), -Infinity);
  const [x, y] = [low("x"), low("y")];
  return { x, y, width: high("x", "width") - x, height: high("y", "height") - y };
}

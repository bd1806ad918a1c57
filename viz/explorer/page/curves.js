// The curves of edges: from a card's side, through the places that the layout left for them, to another card's side.

/** The curves of all edges: with the uses that each stands for, its path, and the spot of its label. */
function curves(edges, items, layout, direction) {
  const drawn = edges.flatMap((edge, k) => {
    // The same operand twice, as in a·a: one curve for each use. Edges of modules stand for all their uses.
    const single = items.get(edge.source).node !== undefined && items.get(edge.target).node !== undefined;
    const bundles = single ? edge.uses.map((use) => [use]) : [edge.uses];
    const beside = (m) => m - (bundles.length - 1) / 2;
    return bundles.map((uses, m) => ({ ...edge, uses, spans: layout.edges[k], beside: beside(m) }));
  });
  attach(drawn, "source", "target", 0, items, layout, direction);
  attach(drawn, "target", "source", -1, items, layout, direction);
  return drawn.map((edge) => {
    const end = (side, sign) =>
      anchor(items.get(edge[side]), layout.items.get(edge[side]), sign, edge[`${side}Shift`], direction);
    const [from, to] = [end("source", 1), end("target", -1)];
    const bends = edge.spans.map((span, n) => ({ ...span, across: acrossOf(edge, span, n, from, to) }));
    return { ...edge, ...curveThrough(from, bends, to, direction) };
  });
}

/** Where curves leave and enter a card: side by side, in the order of where they go, as far as there is room. */
function attach(drawn, here, there, nearest, items, layout, direction) {
  const cards = new Map();
  for (const edge of drawn) {
    const bends = edge.spans.filter((span) => span.beside !== here);
    const { x, y } = layout.items.get(edge[there]);
    const way = bends.length ? bends.at(nearest).across : direction === "LR" ? y : x;
    // Those that go the same way at first leave together.
    const slot = `${way.toFixed(2)} ${here === "source" && bends.length ? "" : edge[there]} ${edge.beside}`;
    if (!cards.has(edge[here])) cards.set(edge[here], new Map());
    const slots = cards.get(edge[here]);
    if (!slots.has(slot)) slots.set(slot, { way: way + edge.beside / 100, edges: [] });
    slots.get(slot).edges.push(edge);
  }
  for (const [key, slots] of cards) {
    const { width, height } = items.get(key);
    const room = Math.min(44, ((direction === "LR" ? height : width) * 2) / 3);
    const sorted = [...slots.values()].sort((a, b) => a.way - b.way);
    const gap = Math.min(here === "source" ? 9 : 16, room / sorted.length);
    sorted.forEach((slot, k) => {
      for (const edge of slot.edges) edge[`${here}Shift`] = (k - (sorted.length - 1) / 2) * gap;
    });
  }
}

function acrossOf({ spans, beside }, span, n, from, to) {
  if (span.beside === "source" && n === 0) return from.across;
  if (span.beside === "target" && n === spans.length - 1) return to.across;
  return span.across + 8 * beside;
}

/** A point of a card's side: +1 the one that leads on to the output, -1 the one that operands come to. */
function anchor(item, { x, y }, side, beside, direction) {
  return direction === "LR"
    ? { along: x + (side * item.width) / 2, across: y + beside }
    : { along: y + (side * item.height) / 2, across: x + beside };
}

/** A smooth curve through straight spans, and the spot of its label. */
function curveThrough(start, spans, end, direction) {
  const turned = ({ along, across }) => (direction === "LR" ? [along, across] : [across, along]);
  const at = (point) =>
    turned(point)
      .map((u) => u.toFixed(1))
      .join(" ");
  let path = `M${at(start)}`;
  const corners = [start, end, ...spans.flatMap((span) => [{ ...span, along: span.from }, { ...span, along: span.to }])];
  let from = start;
  let longest = { length: -1 };
  const curve = (to) => {
    const length = Math.abs(to.along - from.along);
    // The label stands where the way is its own: in the last curve, if that has room for it.
    if (length >= Math.min(longest.length, 44)) longest = { length, from, to };
    const reach = to.along > from.along ? (to.along - from.along) / 2 : 60 + (from.along - to.along) / 4;
    const handles = [
      { ...from, along: from.along + reach },
      { ...to, along: to.along - reach },
    ];
    path += `C${at(handles[0])} ${at(handles[1])} ${at(to)}`;
  };
  for (const span of spans) {
    curve({ along: span.from, across: span.across });
    from = { along: span.to, across: span.across };
    if (span.to > span.from) path += `L${at(from)}`;
  }
  curve(end);
  const [a, b] = [longest.from, longest.to];
  const [x, y] = turned({ along: (a.along + b.along) / 2, across: (a.across + b.across) / 2 });
  return { path, spot: { x, y }, box: boxAround(corners.map(turned)) };
}

/** A rectangle that holds points, with room for what curves reach beyond them, and for labels. */
function boxAround(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs) - 70, Math.min(...ys) - 70];
  return { x, y, width: Math.max(...xs) + 70 - x, height: Math.max(...ys) + 70 - y };
}

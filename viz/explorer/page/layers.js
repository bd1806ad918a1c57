// A layered drawing of one level of the graph (Sugiyama, Tagawa & Toda 1981), in two directions: "along" the way from
// the leaves to the output, and "across" it. Vertices are put into layers; links that pass through layers get a place
// in each; within a layer an order with few crossings is sought; and then places near those that they are linked with.

const GAP_ACROSS = 16;
const THIN_GAP = 7;
const GAP_AT_BORDER = 22;

/**
 * Places vertices and links.
 *
 * A vertex: {along, across, first?, last?}: its size, and whether it belongs into the first or the last layer. A link:
 * {from, to, source, fromShift, toShift}: vertices by number; links of one source share their way through layers; the
 * shifts are where they are attached, beside a vertex's middle. Returns {vertices: [{along, across}] of the middles,
 * links: [[{from, to, across, beside?}]], the straight spans of each link through the layers between, and beside its
 * source or target where something else in that layer is longer, length, breadth}.
 */
function layered(vertices, links, gapAlong) {
  const forward = withoutCycles(vertices.length, links);
  const layer = assignLayers(vertices, forward);
  const { layers, segments, ways } = withPassages(vertices, forward, layer);
  orderLayers(layers, segments);
  placeAcross(layers, segments);
  const extent = placeAlong(vertices, layers, gapAlong);
  return finished(vertices, links, layers, ways, extent, layer);
}

/** The links that do not lead back to where they came from; found depth first. */
function withoutCycles(count, links) {
  const out = Array.from({ length: count }, () => []);
  links.forEach((link) => out[link.from].push(link));
  const state = new Uint8Array(count); // 1: on the way, 2: done
  const kept = new Set();
  for (let start = 0; start < count; start++) {
    const stack = state[start] ? [] : [[start, 0]];
    if (stack.length) state[start] = 1;
    while (stack.length) {
      const top = stack[stack.length - 1];
      const link = out[top[0]][top[1]++];
      if (!link) {
        state[top[0]] = 2;
        stack.pop();
      } else if (state[link.to] !== 1) {
        kept.add(link);
        if (state[link.to] === 0) {
          state[link.to] = 1;
          stack.push([link.to, 0]);
        }
      }
    }
  }
  return links.filter((link) => kept.has(link));
}

/** The layer of each vertex: as early as its operands allow, then as late as shortens more links than it lengthens. */
function assignLayers(vertices, links) {
  const count = vertices.length;
  const into = Array.from({ length: count }, () => []);
  const out = Array.from({ length: count }, () => []);
  for (const link of links) {
    out[link.from].push(link);
    into[link.to].push(link);
  }
  const pending = into.map((list) => list.length);
  const order = [...pending.keys()].filter((v) => !pending[v]);
  for (let k = 0; k < order.length; k++) {
    for (const link of out[order[k]]) if (--pending[link.to] === 0) order.push(link.to);
  }
  const hasFirst = vertices.some((vertex) => vertex.first);
  const layer = new Int32Array(count);
  for (const v of order) {
    layer[v] = hasFirst && !vertices[v].first ? 1 : 0;
    for (const link of into[v]) layer[v] = Math.max(layer[v], layer[link.from] + 1);
  }
  const final = Math.max(0, ...layer.filter((_, v) => !vertices[v].last)) + 1;
  vertices.forEach((vertex, v) => vertex.last && (layer[v] = final));
  for (const v of order.reverse()) {
    if (vertices[v].first || vertices[v].last || !out[v].length || out[v].length < into[v].length) continue;
    layer[v] = Math.min(...out[v].map((link) => layer[link.to])) - 1;
  }
  return layer;
}

/** The layers as lists of cells: the vertices, and a passage for each source in each layer that its links pass. */
function withPassages(vertices, links, layer) {
  const depth = vertices.length ? Math.max(...layer) + 1 : 0;
  const layers = Array.from({ length: depth }, () => []);
  const cells = vertices.map((vertex, v) => {
    const cell = { size: vertex.across, thin: vertex.first || vertex.last, vertex: v, into: [], out: [] };
    layers[layer[v]].push(cell);
    return cell;
  });
  const segments = [];
  const join = (from, to, fromShift, toShift, weight) => {
    const segment = { from, to, fromShift, toShift, weight };
    from.out.push(segment);
    to.into.push(segment);
    segments.push(segment);
  };
  const leads = new Set(links.map((link) => link.to));
  const passages = new Map();
  const ways = new Map();
  for (const link of [...links].sort((a, b) => layer[a.to] - layer[b.to])) {
    const way = [];
    let cell = cells[link.from];
    let shift = link.fromShift;
    for (let k = layer[link.from] + 1; k < layer[link.to]; k++) {
      const key = `${link.from} ${link.source} ${k}`;
      let passage = passages.get(key);
      if (!passage) {
        passage = { size: 2, thin: true, vertex: null, layer: k, into: [], out: [] };
        passages.set(key, passage);
        layers[k].push(passage);
        join(cell, passage, shift, 0, cell.vertex === null ? 8 : 2);
      }
      way.push(passage);
      cell = passage;
      shift = 0;
    }
    // What uses a leaf lies as its other operands want it; the leaf goes with it.
    const plain = cell.vertex !== null && !leads.has(link.from) && !vertices[link.from].first;
    join(cell, cells[link.to], shift, link.toShift, cell.vertex === null ? 2 : plain ? 0.2 : 1);
    ways.set(link, way);
  }
  return { layers, segments, ways };
}

// ------------------------------------------------------------------------------------------------ crossings

/** Sorts each layer by the mean place of what its cells are linked with, to and fro, and keeps the best order seen. */
function orderLayers(layers, segments) {
  const size = layers.reduce((sum, cells) => sum + cells.length, 0);
  const rounds = size < 400 ? 24 : size < 4000 ? 10 : 4;
  let best = null;
  number(layers);
  for (let round = 0; round < rounds; round++) {
    const down = round % 2 === 0;
    const pass = down ? layers.slice(1) : layers.slice(0, -1).reverse();
    for (const cells of pass) sortByMean(cells, down ? "into" : "out", down ? "from" : "to");
    const found = crossings(layers);
    if (!best || found < best.count) best = { count: found, orders: layers.map((cells) => [...cells]) };
    if (found === 0) break;
  }
  if (best) layers.forEach((cells, k) => cells.splice(0, cells.length, ...best.orders[k]));
  number(layers);
}

function number(layers) {
  for (const cells of layers) cells.forEach((cell, k) => (cell.order = k));
}

function sortByMean(cells, side, end) {
  for (const cell of cells) {
    const list = cell[side];
    // A shift orders what is attached to one and the same big vertex.
    const shift = side === "into" ? "fromShift" : "toShift";
    cell.mean = list.length
      ? list.reduce((sum, s) => sum + s[end].order + s[shift] / (s[end].size + 1), 0) / list.length
      : cell.order;
  }
  cells.sort((a, b) => a.mean - b.mean || a.order - b.order);
  cells.forEach((cell, k) => (cell.order = k));
}

/** How many pairs of segments cross, counted with a binary indexed tree (Barth, Jünger & Mutzel 2002). */
function crossings(layers) {
  let total = 0;
  for (let k = 1; k < layers.length; k++) {
    const tree = new Int32Array(layers[k].length + 1);
    let inserted = 0;
    for (const cell of layers[k - 1]) {
      const ends = cell.out.map((segment) => segment.to.order).sort((a, b) => a - b);
      for (const end of ends) {
        let before = 0;
        for (let i = end + 1; i > 0; i -= i & -i) before += tree[i];
        total += inserted - before;
      }
      for (const end of ends) {
        inserted++;
        for (let i = end + 1; i < tree.length; i += i & -i) tree[i]++;
      }
    }
  }
  return total;
}

// ------------------------------------------------------------------------------------------------ coordinates

/** Moves cells towards those that they are linked with, as far as their neighbours in the layer leave room. */
function placeAcross(layers, segments) {
  for (const cells of layers) {
    let place = 0;
    cells.forEach((cell, k) => {
      place = k ? place + separation(cells[k - 1], cell) : 0;
      cell.across = place;
    });
    cells.forEach((cell) => (cell.across -= place / 2));
  }
  const rounds = segments.length < 3000 ? 16 : 6;
  for (let round = 0; round < rounds; round++) {
    const down = round % 2 === 0;
    const settling = round >= rounds - 4;
    for (const cells of down ? layers : [...layers].reverse()) settle(cells, settling || down, settling || !down);
  }
}

function separation(a, b) {
  return (a.size + b.size) / 2 + (a.thin || b.thin ? THIN_GAP : GAP_ACROSS);
}

/**
 * The places in a layer that are nearest to those wished for, by least squares, in the given order and with the given
 * distances: isotonic regression, by pooling adjacent violators (Ayer et al. 1955).
 */
function settle(cells, lookBack, lookAhead) {
  const pools = [];
  let offset = 0;
  cells.forEach((cell, k) => {
    if (k) offset += separation(cells[k - 1], cell);
    cell.offset = offset;
    const { sum, weight } = wish(cell, lookBack, lookAhead);
    let pool = { sum: sum - offset * weight, weight, cells: [cell] };
    while (pools.length && pools[pools.length - 1].sum / pools[pools.length - 1].weight >= pool.sum / pool.weight) {
      const previous = pools.pop();
      pool = {
        sum: previous.sum + pool.sum,
        weight: previous.weight + pool.weight,
        cells: previous.cells.concat(pool.cells),
      };
    }
    pools.push(pool);
  });
  for (const pool of pools) {
    for (const cell of pool.cells) cell.across = pool.sum / pool.weight + cell.offset;
  }
}

function wish(cell, lookBack, lookAhead) {
  let sum = 0.01 * cell.across;
  let weight = 0.01;
  const add = (place, w) => {
    sum += w * place;
    weight += w;
  };
  if (lookBack) for (const s of cell.into) add(s.from.across + s.fromShift - s.toShift, s.weight);
  if (lookAhead) for (const s of cell.out) add(s.to.across + s.toShift - s.fromShift, s.weight);
  return { sum, weight };
}

/** Where each layer begins and ends along the way. */
function placeAlong(vertices, layers, gapAlong) {
  const extent = [];
  let place = 0;
  layers.forEach((cells, k) => {
    const width = cells.reduce((most, { vertex }) => Math.max(most, vertex === null ? 0 : vertices[vertex].along), 0);
    if (k) place += isBorder(cells, vertices) || isBorder(layers[k - 1], vertices) ? GAP_AT_BORDER : gapAlong;
    extent.push({ from: place, to: place + width });
    place += width;
  });
  return extent;
}

/** Whether a layer has nothing but what crosses the border of a module. */
function isBorder(cells, vertices) {
  return cells.every(({ vertex }) => vertex !== null && (vertices[vertex].first || vertices[vertex].last));
}

/** Beside what uses it, if it uses nothing itself; at the other side, if nothing uses it; else in the middle. */
function placeInLayer(cell, vertices, { from, to }) {
  const half = vertices[cell.vertex].along / 2;
  if (!cell.into.length && cell.out.length) return to - half;
  return cell.out.length ? (from + to) / 2 : from + half;
}

/** The straight way from a vertex to the end of its layer, if something there is longer. */
function exit(link, vertices, places, extent, layer) {
  const from = places[link.from].along + vertices[link.from].along / 2;
  const { to } = extent[layer[link.from]];
  return to - from > 1 ? [{ from, to, across: places[link.from].across + link.fromShift, beside: "source" }] : [];
}

function entry(link, vertices, places, extent, layer) {
  const to = places[link.to].along - vertices[link.to].along / 2;
  const { from } = extent[layer[link.to]];
  return to - from > 1 ? [{ from, to, across: places[link.to].across + link.toShift, beside: "target" }] : [];
}

function finished(vertices, links, layers, ways, extent, layer) {
  const places = new Array(vertices.length);
  let low = Infinity;
  let high = -Infinity;
  layers.forEach((cells, k) => {
    for (const cell of cells) {
      low = Math.min(low, cell.across - cell.size / 2);
      high = Math.max(high, cell.across + cell.size / 2);
      if (cell.vertex !== null)
        places[cell.vertex] = { along: placeInLayer(cell, vertices, extent[k]), across: cell.across };
    }
  });
  if (low > high) low = high = 0;
  places.forEach((place) => (place.across -= low));
  const spans = links.map((link) => {
    const way = (ways.get(link) ?? []).map((cell) => ({ ...extent[cell.layer], across: cell.across - low }));
    return ways.has(link)
      ? [...exit(link, vertices, places, extent, layer), ...way, ...entry(link, vertices, places, extent, layer)]
      : way;
  });
  const length = extent.length ? extent[extent.length - 1].to : 0;
  return { vertices: places, links: spans, length, breadth: high - low };
}

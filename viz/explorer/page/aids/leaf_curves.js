// The output against a leaf, with its tangent and a secant; and the error of finite differences against their step.

const CHART = { width: 360, height: 190, left: 46, right: 10, top: 12, bottom: 26 };

/** The charts of a leaf: `curve` is what Python has answered, `quotient` the finite difference for the h chosen. */
function leafCurves(model, curve, step, quotient) {
  const i = curve.node;
  const [output, name] = [model.symbolName(model.root), model.symbolName(i)];
  const figure = (title, ...chart) =>
    html("figure", { class: "chart" }, html("figcaption", {}, ...title), ...chart.filter(Boolean));
  return html(
    "div",
    { class: "charts" },
    figure([isolated(output), " against ", isolated(name)], ...againstLeaf(model, curve, step, quotient)),
    figure(["Error of the finite difference against h"], againstStep(curve, step)),
  );
}

function againstLeaf(model, curve, h, quotient) {
  const i = curve.node;
  const here = { x: model.data[i], y: model.data[model.root] };
  const slope = model.right.adjoint[i];
  const points = curve.x.map((x, k) => ({ x, y: decoded(curve.y[k]) }));
  const across = scale(curve.x[0], curve.x.at(-1), CHART.left, CHART.width - CHART.right);
  const [low, high] = usualRange([...points.map(({ y }) => y), here.y]);
  const up = scale(low, high, CHART.height - CHART.bottom, CHART.top);
  const name = apart(model.symbolName(i));
  const secant = [here.x - h, here.x + h].map((x) => ({ x, y: valueAt(points, x) }));
  // So near to each other, its ends would be one spot.
  const wide = across(secant[1].x) - across(secant[0].x) > 6 && secant.every(({ y }) => Number.isFinite(y));
  const line = (at, m) => lineThrough(at, m, across, up);
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${CHART.width} ${CHART.height}`,
      role: "img",
      "aria-label":
        `${apart(model.symbolName(model.root))} for ${name} from ${format(curve.x[0])} to ${format(curve.x.at(-1))}; ` +
        `at ${format(here.x)} the tangent has the slope ${format(slope)}.`,
    },
    ...frame(across, up, [curve.x[0], curve.x.at(-1)].map(tick), [low, high].map(tick)),
    clipped(
      svg("path", { class: "curve", d: pathOf(points, across, up) }),
      svg("path", { class: `tangent ${signOf(slope)}`, d: line(here, slope) }),
      wide && svg("path", { class: "secant", d: line(secant[0], quotient) }),
      ...(wide ? secant.map((end) => dot(end, across, up, 3, "end")) : []),
      Number.isFinite(here.y) && dot(here, across, up, 4.5, "here"),
    ),
  );
  const key = keyOf([
    [`tangent ${signOf(slope)}`, `tangent, slope ${format(slope)}`],
    wide && ["secant", `secant, slope ${format(quotient)}`],
  ]);
  return [picture, key];
}

function againstStep(curve, h) {
  const points = curve.steps
    .map((step, k) => ({ x: Math.log10(step), error: decoded(curve.errors[k]) }))
    .filter(({ error }) => Number.isFinite(error));
  const sizes = points.filter(({ error }) => error > 0).map(({ error }) => Math.log10(error));
  if (!sizes.length) return html("p", { class: "note" }, "There is none: every step gives the gradient itself.");
  const low = Math.floor(Math.min(...sizes)) - 1;
  const high = Math.max(low + 2, Math.ceil(Math.max(...sizes)));
  const across = scale(-16, 0, CHART.left, CHART.width - CHART.right);
  const up = scale(low, high, CHART.height - CHART.bottom, CHART.top);
  // An error of exactly 0 has no logarithm: it lies on the axis.
  const drawn = points.map(({ x, error }) => ({ x, y: error > 0 ? Math.log10(error) : low, exact: error === 0 }));
  const best = drawn.reduce((a, b) => (b.y < a.y ? b : a));
  const chosen = drawn.find(({ x }) => Math.abs(x - Math.log10(h)) < 0.01);
  const power = (n) => [n, `10${superscript(n)}`];
  return svg(
    "svg",
    {
      viewBox: `0 0 ${CHART.width} ${CHART.height}`,
      role: "img",
      "aria-label": `The error is least, ${format(best.exact ? 0 : 10 ** best.y, 2)}, at h = ${format(10 ** best.x, 2)}: a larger h cuts off more of the curve, a smaller one rounds more.`,
    },
    ...frame(across, up, [-16, -12, -8, -4, 0].map(power), [low, Math.round((low + high) / 2), high].map(power)),
    svg("path", { class: "curve", d: pathOf(drawn, across, up) }),
    ...drawn.map((point) => dot(point, across, up, 2, point.exact ? "exact" : "end")),
    chosen && dot(chosen, across, up, 5, "here"),
    svg("text", { class: "remark", x: CHART.left + 8, y: CHART.top + 12 }, "rounding"),
    svg("text", { class: "remark", x: CHART.width - CHART.right - 4, y: CHART.top + 12, "text-anchor": "end" }, "curvature"),
  );
}

// ------------------------------------------------------------------------------------------------ pieces

function scale(low, high, from, to) {
  const of = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  return Object.assign(of, { low, high, from, to });
}

function tick(value) {
  return [value, format(value, 3)];
}

/** A range that holds nearly all numbers: a pole does not flatten the rest. */
function usualRange(numbers) {
  const sorted = numbers.filter(Number.isFinite).sort((a, b) => a - b);
  if (!sorted.length) return [-1, 1];
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const spread = at(0.9) - at(0.1) || Math.abs(at(0.5)) || 1;
  const low = Math.max(sorted[0], at(0.1) - 2 * spread);
  const high = Math.min(sorted.at(-1), at(0.9) + 2 * spread);
  const margin = 0.06 * (high - low || 2 * spread);
  return [low - margin, high + margin];
}

/** The curve's own value between its points. */
function valueAt(points, x) {
  const k = points.findIndex((point) => point.x >= x);
  if (k < 1) return NaN;
  const [a, b] = [points[k - 1], points[k]];
  return a.y + ((x - a.x) / (b.x - a.x)) * (b.y - a.y);
}

/** A path through points, which begins anew behind what is not finite. */
function pathOf(points, across, up) {
  let path = "";
  let drawing = false;
  for (const { x, y } of points) {
    if (Number.isFinite(y)) path += `${drawing ? "L" : "M"}${across(x).toFixed(1)} ${bounded(up(y))}`;
    drawing = Number.isFinite(y);
  }
  return path;
}

function bounded(pixels) {
  return Math.max(-5000, Math.min(5000, pixels)).toFixed(1);
}

function lineThrough({ x, y }, slope, across, up) {
  if (!Number.isFinite(slope) || !Number.isFinite(y)) return "";
  const at = (place) => `${across(place).toFixed(1)} ${bounded(up(y + slope * (place - x)))}`;
  return `M${at(across.low)}L${at(across.high)}`;
}

function dot({ x, y }, across, up, r, kind) {
  return svg("circle", { class: kind, cx: across(x).toFixed(1), cy: bounded(up(y)), r });
}

function frame(across, up, along, upward) {
  const text = (content, attributes) => svg("text", attributes, content);
  return [
    svg("path", { class: "axes", d: `M${across.from} ${up.to}V${up.from}H${across.to}` }),
    ...along.map(([value, label], k) => {
      const anchor = k === 0 ? "start" : k === along.length - 1 ? "end" : "middle";
      return text(label, { x: across(value).toFixed(1), y: up.from + 16, "text-anchor": anchor });
    }),
    ...upward.map(([value, label]) => text(label, { x: across.from - 6, y: (up(value) + 4).toFixed(1), "text-anchor": "end" })),
  ];
}

/** A picture of its own within: what is beyond its borders is not seen. */
function clipped(...children) {
  const { left, right, top, bottom, width, height } = CHART;
  const box = { x: left, y: top, width: width - left - right, height: height - top - bottom };
  return svg("svg", { ...box, viewBox: `${box.x} ${box.y} ${box.width} ${box.height}` }, ...children.filter(Boolean));
}

function keyOf(entries) {
  const line = (kind) => svg("svg", { viewBox: "0 0 20 8" }, svg("path", { class: kind, d: "M0 4h20" }));
  return html("p", { class: "chart-key" }, ...entries.filter(Boolean).map(([kind, text]) => html("span", {}, line(kind), text)));
}

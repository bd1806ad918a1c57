// Elements, and numbers as text. Whatever is data enters the document as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";
const MINUS = "\u2212";

/** An element of HTML with attributes and children; a string is a text node. */
function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** The same for MathML. */
function mathml(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(MATHML, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** A button that does something. */
function button(text, action, attributes = {}) {
  const made = html("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

/** Text from a label, which may run from right to left, apart from the text around it. */
function isolated(text) {
  return html("bdi", {}, text);
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]|[\ud802-\ud803\ud83a-\ud83b]/;

/** A label for the middle of a plain text, whose order it cannot change. */
function apart(text) {
  // What is in the label must not end the isolation.
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text.replace(/[\u2066-\u2069]/g, "")}\u2069` : text;
}

/** The same, where a long path may be broken into lines, after each dot. */
function breakable(text) {
  const parts = text.split(/(?<=\.)/);
  return html("bdi", {}, ...parts.flatMap((part, k) => (k ? [html("wbr"), part] : [part])));
}

function byId(id) {
  return document.getElementById(id);
}

/** Sets an attribute, or a text, only where it changes: what does not change costs the browser nothing. */
function setAttribute(element, name, value) {
  const known = (element.known ??= {});
  if (known[name] === value) return;
  known[name] = value;
  element.setAttribute(name, value);
}

function setText(element, text) {
  if (element.knownText === text) return;
  element.knownText = text;
  element.textContent = text;
}

// ------------------------------------------------------------------------------------------------ numbers

/** A number from JSON, which has neither infinities nor nan. */
function decoded(number) {
  return Number(number);
}

/** Mantissa and exponent of a number with so many significant digits, as %g writes them; no exponent: null. */
function parts(x, digits) {
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  const plain = power >= -4 && power < Math.max(digits, 6);
  const text = plain ? x.toFixed(Math.max(0, digits - 1 - power)) : mantissa;
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return { mantissa: short.replace("-", MINUS), exponent: plain ? null : power };
}

/** A number as text. */
function format(x, digits = 4) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : `${MINUS}inf`;
  if (x === 0) return "0";
  const { mantissa, exponent } = parts(x, digits);
  return exponent === null ? mantissa : `${mantissa}e${String(exponent).replace("-", MINUS)}`;
}

/** A number with every digit that it has. */
function exact(x) {
  if (!Number.isFinite(x)) return format(x);
  return String(x).replace(/-/g, MINUS);
}

/** The class that gives a number the colour of its sign. */
function signOf(x) {
  return !Number.isFinite(x) ? "not-finite" : x > 0 ? "positive" : x < 0 ? "negative" : "zero";
}

/** v₁₂ as v12: as it is typed, and as it is sorted. */
function withPlainDigits(text) {
  return text.replace(/[₀-₉]/g, (digit) => String(digit.codePointAt(0) - 0x2080));
}

function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

// ------------------------------------------------------------------------------------------------ lengths

const TITLE_FONT = "600 13px system-ui, sans-serif";

/** How wide a text is, in a font. */
const measure = (() => {
  const context = document.createElement("canvas").getContext("2d");
  return (text, font) => {
    context.font = font;
    return context.measureText(text).width;
  };
})();

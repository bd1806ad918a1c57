// A link holds what was written and the numbers of the leaves, behind the #: it is sent to no server.

/** The address of a state. */
function linkOf({ kind, text, values }) {
  const parameters = new URLSearchParams({ [kind]: text });
  if (Object.keys(values).length) parameters.set("values", JSON.stringify(values));
  return `${location.href.split("#")[0]}#${parameters}`;
}

/** The state that an address holds; null if it holds none. A program is held; what is not a number is left out. */
function stateOf(fragment) {
  const parameters = new URLSearchParams(fragment.slice(1));
  const kind = ["formula", "program"].find((name) => parameters.has(name));
  if (!kind) return null;
  let values = {};
  try {
    const given = JSON.parse(parameters.get("values") ?? "{}");
    values = Object.fromEntries(Object.entries(given).filter(([, number]) => Number.isFinite(number)));
  } catch {
    // a link that was cut: the formula alone
  }
  return { kind, text: parameters.get(kind).slice(0, LONGEST_TEXT), values, held: kind === "program" };
}

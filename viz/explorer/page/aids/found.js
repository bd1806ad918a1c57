// What a search has found, on top of the panel.

const FOUND = 8;
const FOUND_ON_A_PHONE = 3;

/** Lists hits, from the one that is looked at on; `select` looks at one of them. */
function showFound(model, hits, current, select) {
  const section = byId("found");
  section.hidden = hits === null;
  placeSelected(hits !== null);
  if (hits === null) return;
  setText(byId("found-title"), hits.length ? `Found: ${plural(hits.length, "node")}` : "Nothing found");
  const most = innerWidth < NARROW ? FOUND_ON_A_PHONE : FOUND;
  const start = Math.max(0, Math.min((current ?? 0) - 1, hits.length - most));
  const rows = hits.slice(start, start + most).map((i, k) => {
    const facts = [model.nodes[i].op || "leaf", format(model.data[i])].filter((fact) => fact !== model.name(i));
    const link = button(isolated(model.name(i)), () => select(start + k), { class: "link" });
    if (start + k === current) link.setAttribute("aria-current", "true");
    return html("li", {}, link, html("span", { class: "note" }, facts.join(", ")));
  });
  const rest = hits.length - start - rows.length;
  byId("found-list").replaceChildren(...rows, rest > 0 ? html("li", { class: "note" }, `and ${rest} more`) : "");
  if (hits.length) setText(byId("found-note"), "Enter goes from one to the next.");
  byId("found-note").hidden = !hits.length;
  section.parentElement.scrollTop = 0;
}

/** What is known of the selected node stands below the hits while there are any, and else at the end. */
function placeSelected(above) {
  const selected = byId("selected");
  if (above && byId("found").nextElementSibling !== selected) byId("found").after(selected);
  else if (!above && selected.nextElementSibling) selected.parentElement.append(selected);
}

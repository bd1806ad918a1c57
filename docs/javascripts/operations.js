// The reference of operations: a box above it leaves those that are asked for, by name, formula, domain or words.
addEventListener("DOMContentLoaded", () => {
  const content = document.querySelector("article:has(> #operations)");
  const first = content?.querySelector("h2");
  if (!first) return;

  // Sections of the page, and in them entries: a heading with what follows it.
  const sections = [];
  for (let element = first; element; element = element.nextElementSibling) {
    if (element.tagName === "H2") sections.push({ head: [element], entries: [] });
    const section = sections.at(-1);
    if (element.tagName === "H3") section.entries.push([element]);
    else if (element.tagName !== "H2") (section.entries.at(-1) ?? section.head).push(element);
  }
  const texts = new Map();
  const textOf = (entry) => {
    if (!texts.has(entry)) texts.set(entry, entry.map((element) => element.textContent).join(" ").toLowerCase());
    return texts.get(entry);
  };

  const box = document.createElement("p");
  box.className = "filter";
  const label = document.createElement("label");
  label.textContent = "Show operations with ";
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "tanh, softmax, every number, \u2026";
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  label.append(input);
  box.append(label, " ", count);
  first.before(box);

  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { head, entries } of sections) {
      let any = words.length === 0;
      for (const entry of entries) {
        const fits = words.every((word) => textOf(entry).includes(word));
        for (const element of entry) element.hidden = !fits;
        found += fits;
        any ||= fits;
      }
      // The links below a section's heading lead to what may be hidden.
      head.forEach((element, k) => (element.hidden = !any || (k > 0 && words.length > 0)));
    }
    count.textContent = words.length ? `${found} found` : "";
  };
  input.addEventListener("input", show);
  // A link to an operation shows it.
  addEventListener("hashchange", () => {
    if (document.getElementById(decodeURIComponent(location.hash.slice(1)))?.hidden) {
      input.value = "";
      show();
      document.getElementById(decodeURIComponent(location.hash.slice(1))).scrollIntoView();
    }
  });
});

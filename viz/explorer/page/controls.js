// What pointer and keyboard do.

/** Connects an explorer with the page's controls. */
function listen(explorer) {
  const on = (id, event, action) => byId(id)?.addEventListener(event, action);
  on("first", "click", () => explorer.go(0));
  on("back", "click", () => explorer.go(explorer.step - 1));
  on("play", "click", () => explorer.play());
  on("next", "click", () => explorer.go(explorer.step + 1));
  on("last", "click", () => explorer.go(explorer.last));
  on("scrubber", "input", (event) => explorer.go(Number(event.target.value)));
  on("watch", "click", () => explorer.watch());
  on("why", "click", () => explorer.explainOrder(!explorer.explaining));
  on("copy", "click", () => explorer.links.copy());
  on("theme", "click", () => explorer.switchTheme());
  on("help", "click", () => byId("help-dialog").showModal());
  on("zoom-in", "click", () => explorer.camera.zoom(1.3));
  on("zoom-out", "click", () => explorer.camera.zoom(1 / 1.3));
  on("fit", "click", () => explorer.camera.fit());
  on("expand-all", "click", () => explorer.toggleAll(false));
  on("collapse-all", "click", () => explorer.toggleAll(true));
  on("search", "input", (event) => explorer.search(event.target.value));
  on("search", "keydown", (event) => searchKey(explorer, event));
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector("button").addEventListener("click", () => dialog.close());
  }
  explorer.followTheme();
  listenToCanvas(explorer);
  addEventListener("keydown", (event) => pressed(explorer, event));
  explorer.camera.resized = () => explorer.resized();
}

function listenToCanvas(explorer) {
  const canvas = byId("canvas");
  const keyOf = (event) => event.target.closest?.("[data-key]")?.dataset.key;
  canvas.addEventListener("click", (event) => {
    const key = keyOf(event);
    showHint(explorer, null);
    if (key) explorer.activate(key);
    else if (explorer.selected !== null) explorer.select(null);
  });
  for (const name of ["pointerover", "focusin"]) {
    canvas.addEventListener(name, (event) => showHint(explorer, keyOf(event)));
  }
  for (const name of ["pointerleave", "focusout"]) canvas.addEventListener(name, () => showHint(explorer, null));
}

/** Enter goes to the next node found, escape ends the search. */
function searchKey(explorer, event) {
  if (event.key === "Enter") {
    event.preventDefault();
    explorer.search(event.target.value, event.shiftKey ? -1 : 1);
  } else if (event.key === "Escape") {
    event.target.value = "";
    explorer.search("");
    event.target.blur();
  }
}

/** The keys of the page, but for those that the control in focus needs itself. */
function pressed(explorer, event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (isTypedInto(target) || scrolls(target, key)) return;
  const card = target.closest?.("#canvas [data-key]");
  if (target.closest?.("button") && ["Enter", " "].includes(key)) return;
  if (key === "Enter" && !card) return;
  const actions = {
    ArrowRight: () => (event.shiftKey ? explorer.stepOver(1) : explorer.go(explorer.step + 1)),
    ArrowLeft: () => (event.shiftKey ? explorer.stepOver(-1) : explorer.go(explorer.step - 1)),
    ArrowDown: () => explorer.moveFocus(1),
    ArrowUp: () => explorer.moveFocus(-1),
    Home: () => explorer.go(0),
    End: () => explorer.go(explorer.last),
    " ": () => explorer.play(),
    Enter: () => explorer.activate(card.dataset.key),
    Escape: () => explorer.select(null),
    "+": () => explorer.camera.zoom(1.3),
    "=": () => explorer.camera.zoom(1.3),
    "-": () => explorer.camera.zoom(1 / 1.3),
    0: () => explorer.camera.fit(),
    f: () => explorer.camera.fit(),
    "/": () => byId("search").focus(),
    ...(explorer.explainOrder ? { o: () => explorer.explainOrder(!explorer.explaining) } : {}),
    t: () => explorer.switchTheme(),
    c: () => explorer.links.copy(),
    "?": () => byId("help-dialog").showModal(),
  };
  if (!Object.hasOwn(actions, key)) return;
  event.preventDefault();
  actions[key]();
}

function isTypedInto(target) {
  if (target.matches?.("input[type=text], input[type=search], select")) return true;
  return target.id !== "scrubber" && Boolean(target.matches?.("input[type=range]"));
}

/** Whether a key scrolls what has the focus: the explanation, or an equation or expression that is wider than it. */
function scrolls(target, key) {
  if (["ArrowUp", "ArrowDown"].includes(key)) return Boolean(target.closest?.("aside"));
  const equation = target.closest?.(".equation, #expression");
  return ["ArrowLeft", "ArrowRight"].includes(key) && Boolean(equation) && equation.scrollWidth > equation.clientWidth;
}

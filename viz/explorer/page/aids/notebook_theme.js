// Runs in a notebook's document, beside the frame: tells the page in it which theme the notebook has, now and whenever
// that changes. A function of the frame; it returns what ends it.
(frame) => {
  const theme = () => {
    const [root, body] = [document.documentElement, document.body];
    const has = (name) => body.classList.contains(name) || root.classList.contains(name);
    const jupyter = body.dataset.jpThemeLight; // JupyterLab, Notebook 7
    if (jupyter !== undefined) return jupyter === "true" ? "light" : "dark";
    if (has("vscode-dark") || (has("vscode-high-contrast") && !has("vscode-high-contrast-light"))) return "dark";
    if (has("vscode-light") || has("vscode-high-contrast-light")) return "light";
    if (has("dark") || has("dark-theme")) return "dark"; // marimo
    if (has("light") || has("light-theme")) return "light";
    const named = root.getAttribute("theme") ?? root.dataset.theme; // Colab
    if (named === "dark" || named === "light") return named;
    const scheme = body.dataset.mdColorScheme; // the pages of MkDocs and Zensical
    return scheme === undefined ? null : scheme === "slate" ? "dark" : "light";
  };
  const attributeFilter = ["class", "theme", "data-theme", "data-jp-theme-light", "data-md-color-scheme"];
  const tell = () => {
    // A cell that was run again has another frame. One that is put back into the document loads anew.
    if (frame.isConnected) frame.contentWindow?.postMessage({ explorer: true, theme: theme() }, "*");
    else watching.disconnect();
  };
  const watching = new MutationObserver(tell);
  const watch = () => {
    for (const element of [document.documentElement, document.body]) {
      watching.observe(element, { attributes: true, attributeFilter });
    }
    tell();
  };
  frame.addEventListener("load", watch);
  watch();
  return () => watching.disconnect();
};

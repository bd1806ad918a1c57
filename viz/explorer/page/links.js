// The address of a step: written into the address bar, copied, and read.

/** Browsers limit how often an address may change: it is written when steps have come to rest for so long. */
const REST = 200;

class Links {
  constructor(explorer) {
    this.explorer = explorer;
    byId("copy").hidden = this.isFramed;
    addEventListener("hashchange", () => this.read());
  }

  /** A frame in a notebook has no address of its own. */
  get isFramed() {
    return location.protocol === "about:";
  }

  fragment() {
    return `#${new URLSearchParams(this.explorer.place())}`;
  }

  write() {
    clearTimeout(this.writing);
    if (this.isFramed) return;
    this.writing = setTimeout(() => history.replaceState(null, "", this.fragment()), REST);
  }

  read() {
    this.explorer.goTo(new URLSearchParams(location.hash.slice(1)));
  }

  async copy() {
    const link = location.href.split("#")[0] + this.fragment();
    try {
      await navigator.clipboard.writeText(link);
      this.notify("Link to this step copied");
    } catch {
      byId("link").value = link;
      byId("link-dialog").showModal();
      byId("link").select();
    }
  }

  notify(text) {
    const notice = byId("notice");
    setText(notice, text);
    notice.classList.add("shown");
    clearTimeout(this.notifying);
    this.notifying = setTimeout(() => notice.classList.remove("shown"), 1800);
  }
}

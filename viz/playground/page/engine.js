// Python in a worker: requests are answered in their order; stopping ends the worker and starts another.

class Engine {
  constructor(told) {
    this.told = told;
    this.next = 0;
    this.start();
  }

  /** The worker's script is a blob, so that it has the page's policy: neither it nor a program reaches another host. */
  start() {
    this.waiting = new Map();
    this.queue = [];
    this.isReady = false;
    const address = new URL(`worker.js?${setup.version}`, document.baseURI).href;
    const script = new Blob([`import ${JSON.stringify(address)};\nself.postMessage({ loaded: true });`], { type: "text/javascript" });
    const url = URL.createObjectURL(script);
    const worker = new Worker(url, { type: "module" });
    this.worker = worker;
    worker.onmessage = ({ data }) => worker === this.worker && this.heard(data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.worker) this.told({ failed: event.message || "the worker's script could not be loaded" });
    };
  }

  heard(data) {
    if (data.loaded) this.worker.postMessage({ start: { version: setup.version, files: setup.files } });
    if (data.ready) {
      this.isReady = true;
      for (const message of this.queue.splice(0)) this.worker.postMessage(message);
    }
    if (data.id !== undefined) {
      this.waiting.get(data.id)?.(JSON.parse(data.answer));
      this.waiting.delete(data.id);
    }
    if (data.progress || data.ready || data.failed) this.told(data);
  }

  /** The answer, or null if Python was stopped before. */
  ask(request) {
    const id = ++this.next;
    const message = { id, request: JSON.stringify(request) };
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      if (this.isReady) this.worker.postMessage(message);
      else this.queue.push(message);
    });
  }

  stop() {
    this.worker.terminate();
    const waiting = [...this.waiting.values()];
    this.start();
    for (const resolve of waiting) resolve(null);
  }
}

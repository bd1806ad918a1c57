// Runs Python apart from the page: what runs for ever can be ended, and the page stays usable meanwhile.

const here = new URL(".", import.meta.url).href;
const download = self.fetch.bind(self);
let answer = null;

self.onmessage = ({ data }) => {
  if (data.start) start(data.start).catch((error) => postMessage({ failed: String(error?.message ?? error) }));
  else if (answer) postMessage({ id: data.id, answer: answered(data.request) });
};

/** What Python answers; an exception that it did not turn into an answer is told too. */
function answered(request) {
  try {
    return answer(request);
  } catch (error) {
    return JSON.stringify({ error: { message: `This is a mistake of the playground's own: ${error.message}` } });
  }
}

/** Loads Python and the engine; files are kept by the browser under the version's name. */
async function start({ version, files }) {
  const kept = await keep(version);
  const total = Object.values(files).reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const progress = (what, size) => postMessage({ progress: { what, done: (done += size), total } });
  self.fetch = async (address, options) => {
    const url = new URL(address.url ?? address, here).href;
    const name = url.startsWith(here) ? url.slice(here.length) : null;
    if (!(name in files)) return download(address, options);
    const found = await kept?.match(url);
    if (found) {
      // A program that was run can write into the store, and what is in there runs without being asked for.
      const content = await found.arrayBuffer();
      if ((await digest(content)) === files[name].digest) {
        progress(name, files[name].size);
        return new Response(content, { headers: found.headers });
      }
      await kept.delete(url);
    }
    const response = await download(url, { cache: "no-cache" }); // another version has the same address
    if (!response.ok) throw new Error(`${name} could not be loaded: the server answered ${response.status}`);
    if (kept) kept.put(url, response.clone()).catch(() => {});
    return new Response(counted(response.body, (bytes) => progress(name, bytes)), { headers: response.headers });
  };
  const [{ loadPyodide }, engine] = await Promise.all([
    import(`${here}pyodide/pyodide.mjs`),
    fetch(`${here}engine.zip`).then((response) => response.arrayBuffer()),
  ]);
  const python = await loadPyodide({ indexURL: `${here}pyodide/` });
  postMessage({ progress: { what: "starting the engine", done: total, total } });
  python.unpackArchive(engine, "zip", { extractDir: "/engine" });
  python.runPython("import sys; sys.path.insert(0, '/engine')");
  answer = python.runPython(`
import json
from tinygrad_lite.viz.playground.playground import Playground
playground = Playground()
lambda request: json.dumps(playground.answer(json.loads(request)))
`);
  postMessage({ ready: true });
}

function counted(body, count) {
  return body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        count(chunk.byteLength);
        controller.enqueue(chunk);
      },
    }),
  );
}

async function digest(content) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The browser's store for this version; those of others are removed. Where there is none, or no digests: null. */
async function keep(version) {
  if (!crypto.subtle) return null;
  try {
    const name = `tinygrad-lite-playground-${version}`;
    for (const other of await caches.keys()) {
      if (other.startsWith("tinygrad-lite-playground-") && other !== name) await caches.delete(other);
    }
    return await caches.open(name);
  } catch {
    return null;
  }
}

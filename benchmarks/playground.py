"""The playground's weight, and how long it takes until Python answers: the first time, and again from the browser's
cache.

Beside each time stands that of a page with the same Pyodide and nothing else, in the same run, as far as a page needs
it: what the playground adds to it is the engine. Needs npm, Playwright and a browser; run ``python
benchmarks/playground.py``.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import playground  # noqa: E402 (tools is no package)

BARE = """<!DOCTYPE html><script type="module">
import { loadPyodide } from "./pyodide/pyodide.mjs";
await loadPyodide({ indexURL: new URL("pyodide/", location.href).href });
document.documentElement.dataset.ready = "true";
</script>"""
REPEATS = 3


def weights(folder: Path) -> None:
    print(f"{'file':32} {'bytes':>12} {'gzipped':>12}")
    total, packed = 0, 0
    for path in sorted(path for path in folder.rglob("*.*") if path.is_file() and not path.name.startswith(".")):
        content = path.read_bytes()
        small = len(gzip.compress(content, 6))
        total, packed = total + len(content), packed + small
        print(f"{path.relative_to(folder).as_posix():32} {len(content):12,} {small:12,}")
    print(f"{'all':32} {total:12,} {packed:12,}")


def seconds(page: object, address: str, ready: str) -> float:
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(ready, state="attached", timeout=120_000)
    return time.perf_counter() - start


def main() -> None:
    from playwright.sync_api import sync_playwright

    folder = playground.build()
    weights(folder)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        shutil.copytree(folder, place, dirs_exist_ok=True)
        (Path(place) / "bare.html").write_text(BARE)
        server = playground.serve(Path(place))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        found: dict[str, list[float]] = {}
        for _ in range(REPEATS):
            page = browser.new_context().new_page()
            for visit in ("first", "again"):
                for name, address, ready in (
                    ("the explorer is there", "index.html", "iframe[srcdoc]"),
                    ("Python answers", "index.html", "html[data-ready]"),
                    ("Pyodide alone", "bare.html", "html[data-ready]"),
                ):
                    found.setdefault(f"{name}, {visit}", []).append(seconds(page, f"{base}/{address}", ready))
            page.context.close()
        browser.close()
        server.shutdown()
    print(f"\n{'median of ' + str(REPEATS):32} {'seconds':>12}")
    for name, times in found.items():
        print(f"{name:32} {statistics.median(times):12.2f}")
    for visit in ("first", "again"):
        ratio = statistics.median(found[f"Python answers, {visit}"]) / statistics.median(
            found[f"Pyodide alone, {visit}"]
        )
        print(f"{'playground : Pyodide alone, ' + visit:32} {ratio:12.2f}")


if __name__ == "__main__":
    main()

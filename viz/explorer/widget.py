"""The explorer on a live graph in a notebook: an anywidget, which holds the page in a frame and passes messages on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_lite.value import Value
from tinygrad_lite.viz.explorer.graph_page import RUN_ME, Explorer, explorer_page, title_of
from tinygrad_lite.viz.explorer.html_page import notebook_theme
from tinygrad_lite.viz.explorer.live_graph import RequestError, Session

#: Runs in the notebook. The frame has an origin of its own (no allow-same-origin): the page can reach neither the
#: notebook's document nor its kernel, except by the messages that are passed on here.
_ESM = (
    "const follow = "
    + notebook_theme()
    + """
export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.title = model.get("title");
    frame.width = "100%";
    frame.height = "680";
    frame.style.border = "1px solid #8888";
    frame.style.borderRadius = "8px";
    frame.srcdoc = model.get("page");
    const asked = ({ source, data }) => {
      if (source === frame.contentWindow && data?.explorer === true) {
        model.send({ number: data.number, request: data.request });
      }
    };
    const answered = (message) => {
      if (message?.explorer === true) {
        frame.contentWindow?.postMessage({ number: message.number, answer: message.answer }, "*");
      }
    };
    window.addEventListener("message", asked);
    model.on("msg:custom", answered);
    el.append(frame);
    const leave = follow(frame);
    return () => {
      leave();
      window.removeEventListener("message", asked);
      model.off("msg:custom", answered);
    };
  },
};
"""
)


def live_widget(root: Value, still: Callable[[], str] = str, **options: Any) -> Any:
    """Return the page of :func:`tinygrad_lite.viz.explore` as a widget, in which leaves can be set.

    Args:
        root: The node at the end of the graph.
        still: Gives HTML of a picture of the graph, for a notebook whose kernel is gone, or ``""``.
        options: Those of :func:`tinygrad_lite.viz.explorer.graph_page.explorer_page`.

    Returns:
        An ``anywidget.AnyWidget``; its ``save(path)`` writes the page as it is now, without the live part.

    Raises:
        ImportError: anywidget is not installed.
        TypeError, ValueError, StaleGraphError: As :func:`tinygrad_lite.viz.explorer.graph_page.explorer_page`.
    """
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise ImportError(
            "explore(root, live=True) needs anywidget: pip install 'tinygrad-lite[notebook]'. Without it, "
            "explore(root) shows the graph as it is, and the command tinygrad-lite explore serves a live page."
        ) from error

    class LiveExplorer(anywidget.AnyWidget):
        """The widget: it answers what the page asks."""

        _esm = _ESM
        page = traitlets.Unicode().tag(sync=True)
        title = traitlets.Unicode().tag(sync=True)

        def __init__(self) -> None:
            super().__init__(
                page=explorer_page(root, live="notebook", **options), title=options.get("title") or root.label
            )
            self.session = Session(root, options.get("max_nodes", 5000))
            self.on_msg(self._answer)

        def _answer(self, widget: Any, content: Any, buffers: Any) -> None:
            if not isinstance(content, dict) or "request" not in content:
                return
            try:
                answer = self.session.answer(content["request"])
            except RequestError as error:
                answer = {"error": str(error)}
            self.send({"explorer": True, "number": content.get("number"), "answer": answer})

        def _repr_mimebundle_(self, **asked: Any) -> Any:
            bundle = super()._repr_mimebundle_(**asked)
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            picture = still()
            if data is not None and picture:
                data["text/html"] = picture + RUN_ME
            return bundle

        def save(self, path: Any) -> Any:
            """Write the page as it is now, as :meth:`tinygrad_lite.viz.explorer.graph_page.Explorer.save` does."""
            return Explorer(explorer_page(root, **options), title_of(root, options.get("title"))).save(path)

    return LiveExplorer()

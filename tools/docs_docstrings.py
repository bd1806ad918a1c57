"""The docstrings of the sources as mkdocstrings reads them: an extension of griffe.

The docstrings have Google's sections, reStructuredText's roles (``:func:`grad```), literals in two backticks and
doctest examples, which ``help()`` shows well. Here they become Markdown. What has no docstring is a warning, and
``mkdocs build --strict`` fails on it.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import griffe

LOG = logging.getLogger("mkdocs.hooks.docs_docstrings")
ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc):`(~?)([^`]+)`")
EXAMPLE = re.compile(r"^( *)>>> .*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)


class Docstrings(griffe.Extension):
    """Docstrings as Markdown, and comments ``#:`` as docstrings of constants."""

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Answer griffe, which calls this with each module, class, function and attribute, once all are loaded."""
        if obj.is_function:
            for name in [parameter.name for parameter in obj.parameters if parameter.name.startswith("_")]:
                del obj.parameters[name]  # not for callers
        if obj.is_attribute and obj.docstring is None:
            _take_comment(obj)
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value, obj)
        elif _needs_docstring(obj):
            LOG.warning("%s has no docstring (%s, line %s)", obj.path, obj.relative_filepath, obj.lineno)


def markdown(text: str, obj: Any = None) -> str:
    """Return a docstring as Markdown.

    >>> print(markdown("As ``f``, see :func:`~m.g`:\\n\\n>>> f(1)\\n2"))
    As `f`, see <autoref optional identifier="m.g"><code>g</code></autoref>:
    <BLANKLINE>
    ```pycon
    >>> f(1)
    2
    ```
    """
    parts, at = [], 0
    for match in EXAMPLE.finditer(text):
        indent = match[1]
        code = match[0].replace("<BLANKLINE>", "")
        parts += [_prose(text[at : match.start()], obj), f"{indent}```pycon\n{code}\n{indent}```"]
        at = match.end()
    return "".join([*parts, _prose(text[at:], obj)])


def _prose(text: str, obj: Any) -> str:
    text = ROLE.sub(lambda match: _reference(match[1], match[2], obj), text)
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def _reference(short: str, target: str, obj: Any) -> str:
    """Return a link to where the reference shows the target, if it does."""
    first, _, rest = target.removeprefix(".").partition(".")
    path = target
    if obj is not None and first != "tinygrad_lite":
        try:
            path = ".".join(filter(None, [obj.resolve(first), rest]))
        except (griffe.NameResolutionError, griffe.AliasResolutionError, KeyError):
            path = target
    words = target.rpartition(".")[2] if short or target.startswith(".") else target
    return f'<autoref optional identifier="{path}"><code>{words}</code></autoref>'


def _take_comment(obj: Any) -> None:
    """Take the comment ``#:`` above an assignment, or behind it."""
    if obj.lineno is None or not obj.filepath or isinstance(obj.filepath, list):
        return
    lines = obj.module.source.splitlines() if obj.module.source else []
    found: list[str] = []
    k = obj.lineno - 2
    while 0 <= k < len(lines) and lines[k].strip().startswith("#:"):
        found.insert(0, lines[k].strip().removeprefix("#:").strip())
        k -= 1
    if found:
        obj.docstring = griffe.Docstring(" ".join(found), lineno=k + 2, parent=obj)


def _needs_docstring(obj: Any) -> bool:
    """Whether a reader would miss it: ruff's rules D1, with which the project is linted."""
    if not (obj.is_module or obj.is_class or obj.is_function):
        return False
    path = obj.path.split(".")
    return not any(part.startswith("_") or part == "tinygrad_lite.__main__" for part in path)

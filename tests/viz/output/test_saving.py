"""A picture's file is there whole, in the format of its suffix, or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tinygrad_lite import Value
from tinygrad_lite.viz import RenderError, draw, save
from tinygrad_lite.viz.drawing import renderers

ROOT = Value(2.0, "a")


@pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")
@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("a.b.pdf", b"%PDF"), ("a.dot", b"digraph")]
)
def test_format_is_that_of_the_suffix(tmp_path: Path, name: str, begins: bytes) -> None:
    assert save(ROOT, tmp_path / name) == tmp_path / name
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert os.listdir(tmp_path) == [name]


def test_json_holds_the_graph(tmp_path: Path) -> None:
    path = save(ROOT * ROOT, tmp_path / "a.json", depth=0)
    assert json.loads(path.read_text(encoding="ascii"))["nodes"][0]["op"] == "mul"


def test_html_is_the_page_of_the_explorer(tmp_path: Path) -> None:
    explorer = pytest.importorskip("tinygrad_lite.viz.explorer.graph_page")
    path = save(ROOT * ROOT, tmp_path / "a.html")
    assert path.read_text(encoding="utf-8") == explorer.explorer_page(ROOT * ROOT)


@pytest.mark.parametrize("name", ["a.json", "a.html"])
def test_json_and_html_need_the_graph_itself(tmp_path: Path, name: str) -> None:
    with pytest.raises(TypeError, match="pass the Value"):
        save(draw(ROOT), tmp_path / name)


def test_takes_a_drawn_picture_and_a_path_as_str(tmp_path: Path) -> None:
    path = save(draw(ROOT, direction="TB"), str(tmp_path / "a.dot"))
    assert "rankdir=TB" in path.read_text(encoding="utf-8")


def test_passes_options_to_draw(tmp_path: Path) -> None:
    assert "rankdir=TB" in save(ROOT, tmp_path / "a.dot", direction="TB").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["a.gif", "a", ".svg"])
def test_unknown_suffix_names_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf, \.dot, \.json, \.html"):
        save(ROOT, tmp_path / name)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        save(ROOT, tmp_path / "nowhere" / "a.dot")


def test_a_path_in_the_place_of_the_picture_is_told_where_it_belongs() -> None:
    with pytest.raises(TypeError, match=r"the picture comes first, and then the path, .* is no path"):
        save("a.svg", ROOT)  # type: ignore[arg-type]  # that is the test


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.dot"
    path.write_text("old", encoding="utf-8")

    def fails(source: object, target: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        save(ROOT, path)
    monkeypatch.undo()
    monkeypatch.setattr(renderers, "installed", list)
    with pytest.raises(RenderError):
        save(ROOT, tmp_path / "a.svg")
    assert os.listdir(tmp_path) == ["a.dot"]
    assert path.read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_follow_the_umask_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "link.dot").symlink_to(tmp_path / "target.dot")
    mask = os.umask(0o022)
    try:
        save(ROOT, tmp_path / "link.dot")
    finally:
        os.umask(mask)
    assert (tmp_path / "link.dot").is_symlink()
    assert (tmp_path / "target.dot").stat().st_mode & 0o777 == 0o644

"""The command: what it prints and writes, and how it fails."""

from __future__ import annotations

import errno
import io
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

import tinygrad_lite
from tinygrad_lite import cli, doctor, nn, viz
from tinygrad_lite.cli import main
from tinygrad_lite.viz.explorer.server import LiveServer

needs_renderer = pytest.mark.skipif(
    shutil.which("dot") is None and find_spec("pygraphviz") is None, reason="neither dot nor pygraphviz is installed"
)


def command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tinygrad_lite", *arguments], capture_output=True, text=True, cwd=cwd, timeout=60
    )


def test_version_is_quick_to_say() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"tinygrad-lite {tinygrad_lite.__version__}\n")


def test_nothing_heavy_is_imported_for_the_version() -> None:
    code = (
        "import sys; from tinygrad_lite.cli import main; main(['--version']);"
        "print([m for m in ('numpy', 'tqdm', 'graphviz', 'tinygrad_lite.nn', 'tinygrad_lite.viz') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_installed_script_and_the_module_have_one_name() -> None:
    assert command("--help").stdout.startswith("usage: tinygrad-lite ")


# ------------------------------------------------------------------------------------------------------ xor


@needs_renderer
def test_xor_learns_and_draws(tmp_path: Path) -> None:
    done = command("xor", "--out", str(tmp_path / "new" / "folder"))
    assert done.returncode == 0
    table = re.findall(r"^ (\d)   (\d) +(\d) +([\d.]+)$", done.stdout, re.MULTILINE)
    assert [(a, b, y) for a, b, y, _ in table] == [("0", "0", "0"), ("0", "1", "1"), ("1", "0", "1"), ("1", "1", "0")]
    assert all(abs(float(p) - int(y)) < 0.01 for _, _, y, p in table)
    before, after = re.search(r"loss +([\d.]+) -> ([\d.]+)", done.stdout).groups()  # type: ignore[union-attr]  # it is there
    assert float(after) < 0.01 < float(before)
    assert "accuracy  4 of 4" in done.stdout
    svg, png = tmp_path / "new" / "folder" / "xor.svg", tmp_path / "new" / "folder" / "xor.png"
    assert f"wrote     {svg}\nwrote     {png}\n" in done.stdout
    assert "layers.0.neurons.1.w.0" in svg.read_text(encoding="utf-8")
    assert png.read_bytes().startswith(b"\x89PNG")


@needs_renderer
def test_xor_writes_into_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["xor", "--seed", "7"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["xor.png", "xor.svg"]


def test_the_seed_decides_the_weights(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(viz, "save", lambda root, path: path)
    outputs = []
    for seed in ("1", "1", "2"):
        assert main(["xor", "--seed", seed]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != outputs[2]


def test_a_directory_that_cannot_be_made_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nn, "train_xor", lambda **arguments: pytest.fail("trained"))
    file = tmp_path / "file"
    file.write_text("")
    assert main(["xor", "--out", str(file)]) == 2
    assert_one_line(capsys, f"cannot make the directory {file}")


def test_a_missing_renderer_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def save(root: object, path: Path) -> Path:
        raise viz.RenderError("install\nGraphviz")

    monkeypatch.setattr(viz, "save", save)
    assert main(["xor", "--out", str(tmp_path)]) == 2
    assert_one_line(capsys, f"cannot write {tmp_path / 'xor.svg'}: install Graphviz")


def test_ctrl_c_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def interrupted(**arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(nn, "train_xor", interrupted)
    assert main(["xor", "--out", str(tmp_path)]) == 130
    assert_one_line(capsys, "interrupted")


# ----------------------------------------------------------------------------------------------------- draw


@pytest.mark.parametrize(
    "arguments",
    [
        ["tanh(a*b + c)", "a=2", "b=-3", "c=6.5", "-o", "graph.dot"],
        ["-o", "graph.dot", "tanh(a*b + c)", "a=2", "b=-3", "c=6.5"],
        ["tanh(a*b + c)", "-o", "graph.dot", "a=2", "b=-3", "c=6.5"],
        ["tanh(a*b + c)", "a=2", "b=-3", "-o", "graph.dot", "c=6.5"],
    ],
)
def test_draw_prints_gradients_and_writes_the_graph(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", *arguments]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    a, b, c = 2.0, -3.0, 6.5
    y = tinygrad_lite.tanh(a * b + c)
    slope = 1 - y * y
    assert lines[0] == ["value", "gradient"]
    assert lines[1][-2:] == [f"{y:.6g}", "1"]
    expected = {"a": (a, slope * b), "b": (b, slope * a), "c": (c, slope)}
    assert [line[0] for line in lines[2:5]] == list(expected)
    for name, value, gradient in lines[2:5]:
        assert float(value) == expected[name][0]
        assert float(gradient) == pytest.approx(expected[name][1], rel=1e-5)
    assert lines[5] == ["wrote", "graph.dot"]
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8").startswith("digraph")


@needs_renderer
def test_draw_makes_graph_svg_unless_told_otherwise(tmp_path: Path) -> None:
    done = command("draw", "a*a", "a=3", cwd=tmp_path)
    assert done.returncode == 0
    assert "<svg" in (tmp_path / "graph.svg").read_text(encoding="utf-8")


def test_a_formula_that_begins_with_minus_follows_two_dashes(tmp_path: Path) -> None:
    assert main(["draw", "-o", str(tmp_path / "g.dot"), "--", "-a", "a=1"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "a=x"], "'a=x': 'x' is no number"),
        (["a", "a"], "'a' gives no variable a value"),
        (["a", "=1"], "'=1' gives no variable a value"),
        (["a", "a=1", "a=2"], "a is given two values"),
        (["a*b", "a=1"], "b"),
        (["a", "a=1", "c=2"], "not c"),
        (["foo(a)", "a=1"], "foo"),
        (["a +", "a=1"], "cannot be read"),
        (["log(a)", "a=-1"], "math domain error"),
        (["1/a", "a=0"], "zero"),
        (["-a", "a=1"], "write --"),
        (["a", "a=1", "-o", "graph.xyz"], "cannot write graph.xyz"),
        (["a", "a=1", "-o", "no/such/folder/graph.dot"], "cannot write"),
    ],
)
def test_errors_of_the_user_are_one_line_and_status_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", *arguments]) == 2
    assert_one_line(capsys, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [[], ["paint"], ["xor", "--seed", "x"], ["xor", "--speed"], ["doctor", "me"]])
def test_unknown_arguments_are_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert_one_line(capsys, "--help)")


def test_no_traceback_reaches_the_user() -> None:
    done = command("draw", "a", "a=x")
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["tinygrad-lite: 'a=x': 'x' is no number; write a=2 or a=-0.5"]


# -------------------------------------------------------------------------------------------------- explore


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[LiveServer]:
    """The servers that were started; Ctrl-C ends each at once."""
    servers: list[LiveServer] = []

    def serve(self: LiveServer, poll_interval: float = 0.5) -> None:
        servers.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveServer, "serve_forever", serve)
    return servers


@pytest.mark.parametrize(
    "arguments",
    [
        ["tanh(a*b + c)", "a=2", "b=-3", "c=6.5"],
        ["--port", "0", "tanh(a*b + c)", "a=2", "b=-3", "c=6.5"],
        ["tanh(a*b + c)", "a=2", "--port", "0", "b=-3", "c=6.5"],
    ],
)
def test_explore_prints_gradients_and_the_address_and_ends_with_ctrl_c(
    arguments: list[str], served: list[LiveServer], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: pytest.fail("opened"))
    assert main(["explore", *arguments]) == 0
    (server,) = served
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["a", "b", "c"]
    assert lines[5] == f"explorer  {server.address}"
    assert server.session.root.label == "tanh(a*b + c)"
    assert server.socket.fileno() == -1  # closed


def test_explore_opens_a_browser_if_asked(served: list[LiveServer], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["explore", "--open", "a*a", "a=2"]) == 0
    assert opened == [served[0].address]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "a=x"], "'a=x': 'x' is no number"),
        (["a*b", "a=1"], "b"),
        (["log(a)", "a=-1"], "math domain error"),
        (["-a", "a=1"], "write --"),
        (["a", "a=1", "--port", "http"], "--help)"),
        (["a", "a=1", "--port", "99999"], "cannot serve the explorer"),
        (["a", "a=1", "--port", "-1"], "cannot serve the explorer"),
    ],
)
def test_errors_of_explore_are_one_line_and_status_2(
    arguments: list[str], message: str, served: list[LiveServer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", *arguments]) == 2
    assert_one_line(capsys, message)
    assert not served


def test_a_port_that_is_taken_is_one_line(served: list[LiveServer], capsys: pytest.CaptureFixture[str]) -> None:
    with LiveServer(tinygrad_lite.Value(1.0)) as other:
        assert main(["explore", "a", "a=1", "--port", str(other.server_port)]) == 2
    assert_one_line(capsys, "cannot serve the explorer: ")


# --------------------------------------------------------------------------------------------------- doctor


def test_doctor_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    names = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert names >= {
        *("tinygrad_lite", "engine", "Python", "platform", "lift", "Graphviz"),
        *("torch", "mpmath", "hypothesis", "matplotlib"),
    }


def test_doctor_imports_nothing_heavy() -> None:
    code = (
        "import sys; from tinygrad_lite.doctor import report; report();"
        "print([m for m in ('numba', 'jax', 'torch', 'matplotlib', 'pygraphviz') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("suffix", "said"), [(".so", "compiled"), (".pyd", "compiled"), (".py", "C compiler")])
def test_doctor_knows_the_compiled_engine_by_its_file(suffix: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_lite import value

    monkeypatch.setattr(doctor, "EXTENSION_SUFFIXES", [".so", ".pyd"])
    monkeypatch.setattr("platform.python_implementation", lambda: "CPython")
    monkeypatch.setattr(value, "__file__", f"value{suffix}")
    assert said in doctor.report()


def test_doctor_tells_how_to_get_a_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(doctor, "version_of", lambda package: None)
    assert "pip install" in next(line for line in doctor.report().splitlines() if line.startswith("Graphviz"))


def test_doctor_says_which_engines_run_lifted_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"numpy": "2.0", "numba": "0.60"}
    monkeypatch.setattr(doctor, "version_of", installed.get)
    assert [line.split(maxsplit=1)[1] for line in doctor.report().splitlines() if line.startswith("lift")] == [
        "engine 'numpy', by numpy 2.0",
        "engine 'numba', by numba 0.60",
        "engine 'jax' not installed: run pip install 'tinygrad-lite[jax]'",
        "engine 'tape', by numpy 2.0",
    ]


def test_doctor_survives_a_broken_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tinygrad_lite.lift.engines.registry", None)
    assert "not usable" in next(line for line in doctor.report().splitlines() if line.startswith("lift"))


def test_doctor_survives_a_dot_that_does_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / "dot"))
    assert "does not run" in doctor.report()


def assert_one_line(capsys: pytest.CaptureFixture[str], message: str) -> None:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("tinygrad-lite: ")
    assert message in lines[0]


# ------------------------------------------------------------------------------------------------- accuracy


def test_accuracy_prints_the_table_and_writes_the_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tanh.svg"
    assert main(["accuracy", "tanh", "--points", "40", "--low=-3e1", "--high", "30", "-o", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "error of ∂tanh/∂x in ulp at 40 points, seed 0"
    assert "bound     4, kept" in lines
    assert lines[-1] == f"wrote     {file}"
    assert "<svg" in file.read_text(encoding="utf-8")


def test_accuracy_takes_an_operand_and_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for seed in ("1", "1", "2"):
        assert (
            main(["accuracy", "pow", "--by", "y", "--points", "20", "--seed", seed, "--low", "1", "--high", "9"]) == 0
        )
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != outputs[2]
    assert outputs[0].startswith("error of ∂pow/∂y at x = 1.5 in ulp at 20 points, seed 1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tahn"], "tinygrad-lite: no operation is named 'tahn'; did you mean tan"),
        (["pow", "--by", "z"], "its operands are x, y"),
        (["tanh", "--points", "0"], "points must be at least 1"),
        (["tanh", "--points", str(10**18)], "points must be at most 1,000,000"),
        (["tanh", "--points", "9" * 4000], "points must be at most 1,000,000"),
        (["tanh", "--points", "10**18"], "invalid int value: '10**18'"),
        (["tanh", "--low", "2", "--high", "1"], "low must be less than high"),
        (["tanh", "--points", "8", "--low", "1", "--high", "2", "-o", "tanh.xyz"], "cannot write tanh.xyz"),
        (["tanh", "--points", "8", "--low", "1", "--high", "2", "-o", "no/folder/tanh.svg"], "cannot write no/folder"),
        ([], "--help)"),
    ],
)
def test_errors_of_accuracy_are_one_line_and_status_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["accuracy", *arguments]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert message in errors[0]
    assert not list(tmp_path.iterdir())


def test_accuracy_without_mpmath_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mpmath", None)
    assert main(["accuracy", "tanh"]) == 2
    assert_one_line(capsys, 'pip install "tinygrad-lite[testing]"')


def test_doctor_says_that_another_python_runs_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_compiled", lambda: False)
    monkeypatch.setattr("platform.python_implementation", lambda: "PyPy")
    assert "compiles for CPython only" in doctor.report()


def test_importing_the_main_module_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    import importlib

    importlib.import_module("tinygrad_lite.__main__")
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes")
def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_lite", "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


def test_the_module_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["tinygrad-lite", "--version"])
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(cli.signal, "signal", lambda number, handler: None)  # what it does with Ctrl-C would stay so
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(Path(cli.__file__).with_name("__main__.py")), run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("tinygrad-lite ")


def test_a_broken_pipe_is_status_1_and_stdout_goes_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(argv: object = None) -> object:
        raise BrokenPipeError

    replaced: list[int] = []
    monkeypatch.setattr(cli, "_parse", broken)
    monkeypatch.setattr(cli.os, "dup2", lambda new, old: replaced.append(old))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(fileno=lambda: 1, flush=broken))
    assert cli.main([]) == 1
    assert replaced == [1]
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------- whatever is typed, and wherever


LONG = [
    *("a" * 9999, "foo(" * 2000, "+".join(["a"] * 4000), "log(0*" + "-" * 4000 + "a)", "1/(0*" + "a*" * 2000 + "a)"),
    *(
        "(" * 9000 + "a" + ")" * 900,
        "a\x1b[2J" * 1000,
        "\n" * 9000 + "$",
        "'" * 9999,
        "é" * 9999,
        "9" * 9999,
        "-" * 9999,
    ),
]


@pytest.mark.parametrize("name", ["draw", "explore", "accuracy", "xor", "doctor", ""])
@pytest.mark.parametrize("k", range(len(LONG)))
def test_messages_are_one_short_line_whatever_is_typed(
    name: str, k: int, served: list[LiveServer], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(viz, "save", lambda root, path: path)
    for arguments in ([LONG[k]], [LONG[k], "a=1"], ["--", LONG[k], "a=1"], ["a", LONG[k]], ["a", f"a={LONG[k]}"],
                      ["a", "a=1", "-o", LONG[k]], ["a", "--points", LONG[k]], ["--out", LONG[k] + "/x"],
                      [f"--seed={LONG[k]}"], [f"--{LONG[k]}"]):  # fmt: skip
        if name == "xor" and arguments[0] == "--":
            continue
        status = main([name, *arguments] if name else arguments)
        out, err = capsys.readouterr()
        assert err.count("\n") == (status != 0)
        assert len(err) <= 301
        assert err[:-1].isprintable()
        if status == 0 and name == "draw":
            assert max(map(len, out.splitlines()[:-1])) < 120  # the last says which file was written


def test_what_is_left_out_of_a_message_is_its_middle(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "a", "b" * 5000]) == 2
    err = capsys.readouterr().err
    assert len(err) == 301
    assert err.startswith("tinygrad-lite: 'bbb")
    assert err.endswith("bbb' gives no variable a value: write NAME=NUMBER, such as a=2\n")


SCRIPT = Path(cli.__file__).parent.parent / "_tinygrad_lite_command.py"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [["doctor"], ["--help"], ["--version"], ["draw", "a", "a=1", "-o", "/dev/full"]])
def test_a_full_standard_output_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tinygrad_lite", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode > 0
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tinygrad-lite: ")


def test_a_disk_that_is_full_in_the_middle_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(doctor, "report", full)
    assert main(["doctor"]) == 1
    assert_one_line(capsys, "cannot write standard output: No space left on device")


def test_a_closed_standard_output_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["doctor"]) == 1
    assert_one_line(capsys, "standard output is closed")
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["doctor"]) == 1


INTERRUPTED = """
import runpy, signal, sys
place, script, *arguments = sys.argv[1:]
left = int(place)

class Interrupts:
    @staticmethod
    def find_spec(name, path=None, target=None):
        global left
        left -= 1
        if left == 0:
            print(name, file=sys.stdout)
            signal.raise_signal(signal.SIGINT)

sys.argv = ["tinygrad-lite", *arguments]
run = runpy.run_path(script)["run"]
sys.meta_path.insert(0, Interrupts)
status = run()
if left > 0:
    print("all was imported")
sys.exit(status)
"""


@pytest.mark.skipif(not SCRIPT.exists(), reason="the script is beside the package")
@pytest.mark.parametrize(
    "arguments", [["draw", "a*a", "a=3", "-o", "g.json"], ["xor"], ["accuracy", "tanh", "--points", "9"], ["doctor"]]
)
def test_ctrl_c_at_any_import_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    place = 1
    while True:
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED, str(place), str(SCRIPT), *arguments],
            capture_output=True, text=True, timeout=60, cwd=tmp_path,
        )  # fmt: skip
        if "all was imported" in done.stdout:
            break
        assert (done.returncode, done.stderr) == (130, "tinygrad-lite: interrupted\n"), (place, done.stdout)
        assert not list(tmp_path.glob(".*"))
        place += 1 + place // 2
    assert place > 5


@pytest.mark.parametrize("swallowed", ["by a callback", "by a library", "twice"])
def test_ctrl_c_is_not_lost(swallowed: str, tmp_path: Path) -> None:
    code = f"""
import signal, sys
from tinygrad_lite import cli, doctor

class Callback:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def report():
    if {swallowed == "by a callback"}:
        Callback()
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        if {swallowed == "twice"}:
            signal.raise_signal(signal.SIGINT)
        raise ImportError("numpy cannot be imported") from None

doctor.report = report
sys.argv[1:] = ["doctor"]
sys.exit(cli.run())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stderr) == (130, "tinygrad-lite: interrupted\n")


# ------------------------------------------------------------------------- what the process does, in this one


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What was written and with what status the process would have ended; handlers are as before in the end."""
    done: list[object] = []
    handler, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    monkeypatch.setattr(os, "write", lambda file, text: done.append(text))
    monkeypatch.setattr(os, "_exit", done.append)
    yield done
    signal.signal(signal.SIGINT, handler)
    sys.unraisablehook = hook


@pytest.mark.parametrize("ignored", [False, True])
def test_the_process_gives_the_status_of_the_command(
    ignored: bool, process: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def main() -> int:
        seen.append(signal.getsignal(signal.SIGINT))
        return 3

    monkeypatch.setattr(cli, "main", main)
    signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    assert cli.run() == 3
    assert seen == [signal.SIG_IGN if ignored else cli._interrupt]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # what comes now is too late
    assert not process


def test_an_error_that_a_library_made_of_ctrl_c_is_an_interruption(
    process: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("half of it") from None
        return 0

    monkeypatch.setattr(cli, "main", main)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert cli.run() == cli.INTERRUPTED
    assert capsys.readouterr().err == "tinygrad-lite: interrupted\n"
    monkeypatch.setattr(cli, "main", lambda: 1 // 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(ZeroDivisionError):  # nobody has interrupted
        cli.run()


def test_a_second_ctrl_c_and_one_in_a_callback_end_the_process(
    process: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        cli._interrupt()
    signal.raise_signal(signal.SIGINT)
    line = b"tinygrad-lite: interrupted\n"
    assert process == [line, cli.INTERRUPTED]
    shown: list[object] = []
    monkeypatch.setattr(sys, "__unraisablehook__", shown.append)
    for kind in (KeyboardInterrupt, ValueError):
        cli._end_if_interrupted(SimpleNamespace(exc_type=kind))
    assert process == [line, cli.INTERRUPTED] * 2
    assert [error.exc_type for error in shown[-1:]] == [ValueError]


def test_a_parser_writes_nothing_where_there_is_nothing_to_write() -> None:
    parser, file = cli._Parser(), io.StringIO()
    parser._print_message("", file)
    parser._print_message("usage", None)
    parser._print_message("usage", file)
    assert file.getvalue() == "usage"

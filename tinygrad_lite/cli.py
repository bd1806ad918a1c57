"""The command ``tinygrad-lite``: train XOR, draw and explore formulas, measure derivatives, see what is installed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from tinygrad_lite.value import Value

OUTPUT_ERROR = 1
USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count
#: Characters of a message, whatever was typed.
_LONGEST: Final = 300
#: Characters of a formula in the table of its gradients.
_LONGEST_NAME: Final = 60


class UserError(Exception):
    """What the user can put right; its message is the one line that is shown."""


def run() -> int:
    """Be the process of the command: :func:`main`, and Ctrl-C at any moment of it ends in one line.

    Returns:
        The exit status, as :func:`main`.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as nohup and scripts in the background have it
        signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _end_if_interrupted
    try:
        status = main()
    except BaseException:
        if signal.getsignal(signal.SIGINT) is not _end_at_once:
            raise
        status = _tell("interrupted", INTERRUPTED)  # a library had made another error of it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work is done, and its status stands
    return status


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGINT, _end_at_once)
    raise KeyboardInterrupt


def _end_at_once(*_: object) -> None:
    os.write(2, b"tinygrad-lite: interrupted\n")
    os._exit(INTERRUPTED)


def _end_if_interrupted(error: Any) -> None:
    """End the process where Ctrl-C came in a callback, out of which Python raises nothing."""
    if issubclass(error.exc_type, KeyboardInterrupt):
        _end_at_once()
    sys.__unraisablehook__(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments after the command's name; None: those of the process.

    Returns:
        The exit status: 0; 1 where standard output is full or closed; 2 after an error of the user; 130 after Ctrl-C.
        One line on stderr explains it, of at most 300 characters; none does to a reader that has seen enough.

    >>> main(["draw", "a*b", "a=2", "b=x"])
    2
    """
    try:
        if sys.stdout is None:
            return _tell("standard output is closed", OUTPUT_ERROR)
        for stream in (sys.stdout, sys.stderr):  # a name such as α must not fail on a terminal that cannot show it
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        status = _obey(argv)
        try:
            sys.stdout.flush()
        except OSError as error:
            _discard_output()
            return status or _tell_output(error)
        return status
    except KeyboardInterrupt:
        return _tell("interrupted", INTERRUPTED)


def _obey(argv: Sequence[str] | None) -> int:
    """Do what the arguments say, and return the exit status."""
    try:
        arguments = _parse(argv)
        command: Callable[[argparse.Namespace], None] = arguments.command
        command(arguments)
    except SystemExit as stop:  # argparse: after --help, --version
        return stop.code if isinstance(stop.code, int) else 0
    except UserError as error:
        return _tell(str(error), USER_ERROR)
    except OSError as error:
        return _tell_output(error)
    return 0


def _tell(message: str, status: int) -> int:
    """Write one line to stderr, if there is one, and return the status."""
    visible = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in message)
    with suppress(OSError):
        if sys.stderr is not None:
            print(_shortened(f"tinygrad-lite: {visible}", _LONGEST), file=sys.stderr, flush=True)
    return status


def _tell_output(error: OSError) -> int:
    """Say what cannot be written; of a broken pipe nothing: its reader, head say, has seen enough."""
    if isinstance(error, BrokenPipeError):
        return OUTPUT_ERROR
    what = "standard output" if error.filename is None else error.filename
    return _tell(f"cannot write {what}: {_one_line(error)}", OUTPUT_ERROR)


def _discard_output() -> None:
    """Send what is still to be written nowhere: Python would complain when it flushes stdout at exit."""
    with suppress(OSError):  # no file, but what a test or a notebook put there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _shortened(text: str, longest: int) -> str:
    """Leave out the middle of a text that is longer: messages begin with what is wrong, and end with what to do.

    >>> _shortened("0123456789", 7)
    '0123…89'
    """
    if len(text) <= longest:
        return text
    end = (longest - 1) // 3
    return f"{text[: longest - 1 - end]}…{text[-end:]}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is not None:  # argparse keeps quiet about a full disk
            file.write(message)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    from tinygrad_lite import __version__

    parser = _Parser(prog="tinygrad-lite", description="A scalar autograd engine: every gradient visible.")
    parser.add_argument("--version", action="version", version=f"tinygrad-lite {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    xor = commands.add_parser("xor", help="train a small network on exclusive or, and draw its gradients")
    xor.add_argument("--seed", type=int, default=0, help="what the first weights depend on (default: 0)")
    xor.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to write xor.svg and xor.png")
    xor.set_defaults(command=_xor)

    draw = commands.add_parser(
        "draw",
        help="draw the graph of a formula, with its gradients",
        epilog='example: tinygrad-lite draw "tanh(a*b + c)" a=2 b=-3 c=10 -o graph.svg. '
        "Before a formula that begins with a minus sign write --, after the options.",
    )
    draw.add_argument("formula", help='such as "tanh(a*b + c)"')
    draw.add_argument("variables", nargs="*", metavar="NAME=NUMBER", help="a value for each name in the formula")
    draw.add_argument("-o", "--output", type=Path, default=Path("graph.svg"), metavar="FILE", help="default: graph.svg")
    draw.set_defaults(command=_draw)

    explore = commands.add_parser(
        "explore",
        help="step through the graph of a formula in a browser, and change its leaves",
        epilog='example: tinygrad-lite explore "tanh(a*b + c)" a=2 b=-3 c=10. '
        "Before a formula that begins with a minus sign write --, after the options.",
    )
    explore.add_argument("formula", help='such as "tanh(a*b + c)"')
    explore.add_argument("variables", nargs="*", metavar="NAME=NUMBER", help="a value for each name in the formula")
    explore.add_argument("--port", type=int, default=0, metavar="N", help="where to listen (default: any free port)")
    explore.add_argument("--open", action="store_true", help="open the address in a browser")
    explore.add_argument("--until-closed", action="store_true", help="end when the last page is closed")
    explore.set_defaults(command=_explore)

    accuracy = commands.add_parser(
        "accuracy",
        help="measure the error of an operation's derivative over its domain",
        epilog="example: tinygrad-lite accuracy tanh -o tanh.svg. Before a negative number in the notation of "
        "computers write =: --low=-1e3.",
    )
    accuracy.add_argument("operation", help="such as tanh")
    accuracy.add_argument("--by", metavar="OPERAND", help="the operand that the derivative is taken by (the first)")
    accuracy.add_argument("--points", type=int, default=2000, metavar="N", help="how many points to try (2000)")
    accuracy.add_argument("--seed", type=int, default=0, metavar="S", help="what the points depend on (default: 0)")
    accuracy.add_argument("--low", type=float, metavar="A", help="the least number to try (that of the domain)")
    accuracy.add_argument("--high", type=float, metavar="B", help="the greatest number to try (that of the domain)")
    accuracy.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write a plot: svg, png or pdf")
    accuracy.set_defaults(command=_accuracy)

    doctor = commands.add_parser("doctor", help="say what is installed, and what is missing")
    doctor.set_defaults(command=_doctor)

    arguments, rest = parser.parse_known_args(argv)
    # argparse does not take up a list of arguments again after an option: draw a*b -o graph.svg a=2 b=3
    has_formula = arguments.command in (_draw, _explore)
    if rest and has_formula and not any(text.startswith("-") for text in rest):
        arguments.variables += rest
    elif rest:
        hint = "; before a formula that begins with a minus sign write --" if has_formula else ""
        parser.error(f"unknown: {' '.join(rest)}{hint}")
    return arguments


# ---------------------------------------------------------------------------------------------- the commands


def _xor(arguments: argparse.Namespace) -> None:
    _make_directory(arguments.out)
    from tinygrad_lite.nn import train_xor, xor

    run = train_xor(seed=arguments.seed)
    print("x1  x2  target  prediction")
    for (x1, x2), target, prediction in zip(*xor(), run.predictions, strict=True):
        print(f"{x1:2}  {x2:2}  {target:6}  {prediction:10.4f}")
    right = round(run.accuracy * len(run.predictions))
    print(f"loss      {run.losses[0]:.4f} -> {run.losses[-1]:.4f} in {len(run.losses) - 1} epochs")
    print(f"accuracy  {right} of {len(run.predictions)}")
    for name in ("xor.svg", "xor.png"):
        _save(run.loss, arguments.out / name)


def _draw(arguments: argparse.Namespace) -> None:
    root, names = _differentiated(arguments.formula, arguments.variables)
    _print_gradients(arguments.formula, root, names)
    _save(root, arguments.output)


def _explore(arguments: argparse.Namespace) -> None:
    root, names = _differentiated(arguments.formula, arguments.variables)
    from tinygrad_lite.viz.explorer.server import LiveServer

    try:
        server = LiveServer(root, arguments.port, arguments.until_closed)
    except (OSError, OverflowError, ValueError) as error:
        raise UserError(f"cannot serve the explorer: {_one_line(error)}") from error
    with server:
        try:
            _print_gradients(arguments.formula, root, names)
            print(f"explorer  {server.address}")
            print("Ctrl-C ends it, or closing the page." if arguments.until_closed else "Ctrl-C ends it.", flush=True)
            if arguments.open:
                import webbrowser

                webbrowser.open(server.address)
            server.serve_forever()
        except KeyboardInterrupt:  # how it is meant to end
            print()


def _accuracy(arguments: argparse.Namespace) -> None:
    try:
        from tinygrad_lite.testing.accuracy.accuracy import accuracy

        profile = accuracy(
            arguments.operation,
            argnum=arguments.by or 0,
            points=arguments.points,
            low=arguments.low,
            high=arguments.high,
            seed=arguments.seed,
        )
    except KeyError as error:  # its text would show it in quotes
        raise UserError(error.args[0]) from error
    except (ImportError, ValueError) as error:
        raise UserError(_one_line(error)) from error
    print(profile)
    if arguments.output is None:
        return
    try:
        profile.plot(arguments.output)
    except (ImportError, OSError, ValueError) as error:
        raise UserError(f"cannot write {arguments.output}: {_one_line(error)}") from error
    print(f"wrote     {arguments.output}")


def _doctor(arguments: argparse.Namespace) -> None:
    from tinygrad_lite.doctor import report

    print(report())


# ------------------------------------------------------------------------------------------------ their steps


def _differentiated(formula: str, variables: list[str]) -> tuple[Value, Sequence[str]]:
    """Return the graph of a formula, with its gradients, and the formula's names."""
    numbers = _numbers(variables)
    from tinygrad_lite.expressions import ExpressionError, parse

    try:
        expression = parse(formula)
        root = expression.evaluate(numbers)
        root.backward()
    except (ExpressionError, ArithmeticError, ValueError) as error:
        raise UserError(_first_line(error, formula)) from error
    return root, expression.names


def _numbers(variables: list[str]) -> dict[str, float]:
    """Return the number of each name, from arguments such as ``a=2``."""
    numbers: dict[str, float] = {}
    for text in variables:
        name, equals, number = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UserError(f"{text!r} gives no variable a value: write NAME=NUMBER, such as a=2")
        if name in numbers:
            raise UserError(f"{name} is given two values")
        try:
            numbers[name] = float(number)
        except ValueError:
            raise UserError(f"{text!r}: {number!r} is no number; write {name}=2 or {name}=-0.5") from None
    return numbers


def _print_gradients(formula: str, root: Value, names: Iterable[str]) -> None:
    from tinygrad_lite.value import topological_order

    leaves = {node.label: node for node in topological_order(root, leaves=True) if node.is_leaf}
    named = [(formula, root), *((name, leaves[name]) for name in names if name in leaves)]
    rows = [("", "value", "gradient")]
    rows += [(_shortened(name, _LONGEST_NAME), f"{node.data:.6g}", f"{node.grad:.6g}") for name, node in named]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, value, gradient in rows:
        print(f"{name:<{widths[0]}}  {value:>{widths[1]}}  {gradient:>{widths[2]}}")


def _save(root: Value, path: Path) -> None:
    from tinygrad_lite import viz

    try:
        written = viz.save(root, path)
    except (OSError, ValueError, viz.RenderError) as error:
        raise UserError(f"cannot write {path}: {_one_line(error)}") from error
    print(f"wrote     {written}")


def _make_directory(directory: Path) -> None:
    """Make it if it is missing. Before the work, so that nobody waits for an error."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the directory {directory}: {error.strerror or error}") from error


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())


def _first_line(error: BaseException, formula: str) -> str:
    """Return what is wrong, and the formula where the message shows it in further lines only."""
    first, *others = str(error).splitlines() or [type(error).__name__]
    return f"{first} (in {' '.join(formula.split())})" if others else first

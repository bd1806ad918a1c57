"""The script ``tinygrad-lite``: it stands outside of the package, so that Ctrl-C while that is imported is one line."""

import os
import signal


def run() -> int:
    """Run the command; see :func:`tinygrad_lite.cli.run`."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end_at_once)
    from tinygrad_lite import cli

    return cli.run()


def _end_at_once(*_: object) -> None:
    os.write(2, b"tinygrad-lite: interrupted\n")
    os._exit(130)

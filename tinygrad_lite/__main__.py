"""``python -m tinygrad_lite`` is the command ``tinygrad-lite``."""

import sys

from tinygrad_lite.cli import run

if __name__ == "__main__":
    sys.exit(run())

"""Print what the package requires, and with which extras, one a line: ``python tools/requirements.py nn testing``.

For the Makefile, which installs it while the engine is compiled; pip alone would do one after the other.
"""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

setup = configparser.ConfigParser()
setup.read(Path(__file__).resolve().parent.parent / "setup.cfg", encoding="utf-8")
print(setup["options"]["install_requires"].strip())
for extra in sys.argv[1:]:
    print(setup["options.extras_require"][extra].strip())

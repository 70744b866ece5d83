#!/usr/bin/env python3
"""Starts kubectl extsvc from the lib/ beside this file, if Python is new enough. Every Python 3 must understand it."""

import os
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)
HELP = """\
kubectl extsvc needs Python 3.11 or newer, and python3 is %s here. To get one:
  macOS            brew install python3
  Debian, Ubuntu   apt-get install python3      (Debian 12, Ubuntu 24.04 or newer)
  Fedora, RHEL     dnf install python3.12
  anywhere         uv python install --default  (https://docs.astral.sh/uv)
"""


def new_enough(python):
    # It may be a stand-in that only says that there is none (pyenv).
    question = "import sys; sys.exit(sys.version_info < (%d, %d))" % OLDEST
    with open(os.devnull, "w") as nowhere:
        return subprocess.call([python, "-c", question], stdin=nowhere, stdout=nowhere, stderr=nowhere) == 0


def other_python():
    """A newer Python under its own name: the python3 of macOS is 3.9, whatever else is installed."""
    from shutil import which

    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        python = which("python%d.%d" % (OLDEST[0], minor))
        if python and new_enough(python):
            return python
    return None


if __name__ == "__main__":
    here = os.path.realpath(__file__)
    if sys.version_info < OLDEST:
        python = other_python()
        if python:
            os.execv(python, [python, here, *sys.argv[1:]])
        sys.stderr.write(HELP % ".".join(map(str, sys.version_info[:3])))
        sys.exit(2)
    sys.path.insert(0, os.path.join(os.path.dirname(here), "lib"))

    from kubectl_extsvc.cli import main

    sys.exit(main())

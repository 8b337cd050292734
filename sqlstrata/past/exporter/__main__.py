"""Read what to import from standard input, and write what it defines to standard output; see `process`."""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Answer once. What the old code prints goes nowhere; its threads do not keep this process alive."""
    del sys.path[0]  # this package's folder
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    asked = json.load(sys.stdin)
    os.close(0)
    os.open(os.devnull, os.O_RDONLY)
    try:
        import sqlalchemy  # noqa: F401, PLC0415 - it may be missing
    except ImportError:
        found = {"error": "There is no SQLAlchemy.", "where": None, "kind": "python"}
    else:
        from .process import answer  # noqa: PLC0415

        for name in [each for each in sys.modules if each.partition(".")[0] == "exporter"]:
            del sys.modules[name]  # the old code may have such a module
        os.chdir(asked["folder"])
        found = answer(asked)
    json.dump(found, said)
    said.flush()
    os._exit(0)


main()

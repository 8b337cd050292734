"""Finding config.yaml as Invoke finds tasks.py: in the working directory, then in the folders above."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "config.yaml"


def find(given: str | Path | None = None) -> Path:
    """Give the path of config.yaml: the given one, or the first of these.

    SQLSTRATA_CONFIG, CONFIG where it is a file that exists (other programs use that name, too), config.yaml in the
    working directory, and then in the folders above. Where there is none, `config.yaml`.
    """
    chosen = given or os.environ.get("SQLSTRATA_CONFIG")
    if chosen:
        return Path(chosen)
    other = os.environ.get("CONFIG")
    if other and Path(other).is_file():
        return Path(other)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / NAME).is_file():
            return Path(os.path.relpath(folder / NAME))
    return Path(NAME)

"""Reading the user's files, to edit them."""

from __future__ import annotations

import codecs
from pathlib import Path


def decoded(path: Path) -> tuple[str, str]:
    """The text of a file, and its encoding: UTF-8, perhaps with a byte order mark."""
    content = path.read_bytes()
    encoding = "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8"
    return content.decode(encoding), encoding

"""The program `sqlstrata`: Invoke's own, with the commands of `sqlstrata.tasks`. It needs no tasks.py."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from sqlstrata.program import StrictProgram
from sqlstrata.tasks import namespace


def _version() -> str:
    try:
        return version("sqlstrata")
    except PackageNotFoundError:  # a checkout that was not installed
        return "unknown"


program = StrictProgram(
    name="sqlstrata", binary="sqlstrata", binary_names=["sqlstrata"], namespace=namespace, version=_version()
)

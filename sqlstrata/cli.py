"""The program `sqlstrata`: Invoke's own, with the commands of `sqlstrata.tasks`. It needs no tasks.py."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from invoke import Program

from sqlstrata.tasks import namespace


def _version() -> str:
    try:
        return version("sqlstrata")
    except PackageNotFoundError:  # a checkout that was not installed
        return "unknown"


program = Program(
    name="sqlstrata", binary="sqlstrata", binary_names=["sqlstrata"], namespace=namespace, version=_version()
)

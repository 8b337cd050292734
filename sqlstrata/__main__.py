"""`python -m sqlstrata`."""

from __future__ import annotations

from sqlstrata.cli import program

program.run()

"""What leads from one stage's schema to the next: `diff(before, after, hints)`.

No database takes part. Elements are compared as `sqlstrata.schema` describes them, in every server's DDL; each kind of
thing is expressed in the file of its name, and `order` says what comes first. Going down is the same function with the
two schemas, and the hints, turned round: never the reverse of going up, which could not know what was there.
"""

from __future__ import annotations

from sqlstrata.diff.data import around
from sqlstrata.diff.diff import diff
from sqlstrata.diff.hints import Hints
from sqlstrata.diff.order import Draft, Migration, Need, Operation, Phase

__all__ = ["Draft", "Hints", "Migration", "Need", "Operation", "Phase", "around", "diff"]

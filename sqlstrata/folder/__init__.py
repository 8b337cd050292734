"""The folder of revision files: reading it, comparing it with what the stages give, and replacing it in one step.

`read`, `compare`, `foreign`, `require_runnable` and `edited_place` change nothing. `locked`, `replace` and
`environment` write; whatever stops them, `kill -9` included, a folder is the old one or the new one: `heal`, which
every command calls first, repairs what a killed run has left.
"""

from __future__ import annotations

from sqlstrata.folder.comparison import Cause, Change, Mismatch, changes, compare, difference
from sqlstrata.folder.files import File, foreign, read
from sqlstrata.folder.folder import set_aside
from sqlstrata.folder.frozen import frozen_edited, frozen_left, frozen_mismatch, frozen_written, require_frozen
from sqlstrata.folder.lock import heal, locked
from sqlstrata.folder.replacement import Replaced, replace, require_ours, write
from sqlstrata.folder.runnable import edited_place, remedy, require_runnable
from sqlstrata.folder.surroundings import copy, eject, environment, environment_mismatch, is_foreign, require_own
from sqlstrata.folder.unproved import is_proved, mark_proved, mark_unproved

__all__ = [
    "Cause",
    "Change",
    "File",
    "Mismatch",
    "Replaced",
    "changes",
    "compare",
    "copy",
    "difference",
    "edited_place",
    "eject",
    "environment",
    "environment_mismatch",
    "foreign",
    "frozen_edited",
    "frozen_left",
    "frozen_mismatch",
    "frozen_written",
    "heal",
    "is_foreign",
    "is_proved",
    "locked",
    "mark_proved",
    "mark_unproved",
    "read",
    "remedy",
    "replace",
    "require_frozen",
    "require_ours",
    "require_own",
    "require_runnable",
    "set_aside",
    "write",
]

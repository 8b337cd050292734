"""The kinds of scenarios, one module each; to import them registers them."""

from __future__ import annotations

from . import copies, cuts, disks, kills, lies, pairs, passwords, rights, takeovers, tricks

__all__ = ["copies", "cuts", "disks", "kills", "lies", "pairs", "passwords", "rights", "takeovers", "tricks"]

"""Scratch databases: made, marked, emptied, swept."""

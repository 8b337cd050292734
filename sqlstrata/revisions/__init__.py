"""A plan's history: one revision for each stage."""

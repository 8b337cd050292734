"""Databases and the ways to them: URLs, connections, where they are, whose they are, and dropping them."""

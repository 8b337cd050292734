"""A small shop: the example that comes with sqlstrata, laid out as a user's own project is."""

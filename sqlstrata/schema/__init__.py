"""A stage's schema: MetaData read once into values that can be compared and written as Python."""

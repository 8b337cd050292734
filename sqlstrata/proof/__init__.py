"""The proof that a history does what its stages say."""

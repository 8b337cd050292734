"""`inv bench`: how long the work takes, ours and that of others, side by side on one machine."""

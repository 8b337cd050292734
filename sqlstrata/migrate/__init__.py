"""Databases on their way up and down the history, and finding out where one is."""

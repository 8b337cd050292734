"""Scratch databases: empty databases with random names, and the only ones that are dropped without asking.

Their names say which process on which machine created them, and a marker table in each repeats it. Before one is
emptied or dropped, the connection is asked where it is, and name and marker are both checked.
"""

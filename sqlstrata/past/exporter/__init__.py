"""The process that imports old code: it needs Python 3.7 and SQLAlchemy 1.3, or any later ones, and nothing else.

`python -m exporter` reads one JSON object and writes one: statements of Python that define the tables, types, sequences
and DDL events of the models with SQLAlchemy alone, as a frozen file has them. See `process` for both objects.
"""

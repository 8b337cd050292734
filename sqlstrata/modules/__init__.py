"""Modules of models turned on: a stage's MetaData, on a base that nothing else has touched."""

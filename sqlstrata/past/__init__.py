"""The past of a project: schemas of earlier models, read from git."""

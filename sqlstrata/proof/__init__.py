"""The proof: a history is run on scratch databases, and each stage compared with what `create_all` makes of its models.

It does not use what made the history: `sqlstrata.snapshot` reads the server's catalogue.

- `prove` is the algorithm, over the values of `walk`
- `given` carries out the stages on the rows of the plan, `generated` on those that `filling` makes from the models
- `agreement` compares what servers make of the same rows
- `drive` runs revisions through Alembic, as the folder's env.py does
- `compare` compares a stage with the `mirror`, the database that `create_all` made (`parts`: its tables and views)
- `rows` has the checks of rows, `carried` the rows themselves
- `refusal` proves a downgrade that refuses to run because of rows
- `verdict` is what is raised where something is not proved
"""

"""What a schema is: the models' MetaData read once into plain values, which can be compared and written as Python."""

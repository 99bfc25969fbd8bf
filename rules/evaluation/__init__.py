"""Which rule evaluates which rows: the state of a table, from its batches to its transitions."""

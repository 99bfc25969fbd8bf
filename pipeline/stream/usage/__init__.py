"""Usage: what each account writes, stores and asks for, by table and day (UTC), so that a bill can be made.

It is kept for each partition with a position, as every consumer of the log keeps its own: a record that is read again
is not counted again. Records count as they stand in the log, whatever the store answers, since a replay has no answer.
"""

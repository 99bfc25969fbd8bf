"""Archives of dead letters, and of alerts with their deliveries: one SQLite file each.

Both are consumers of the log. Each keeps its own position in it, which it commits in the same transaction as the
content of a message.
"""

"""What happened and stays to be looked at: dead letters, alerts and their deliveries, each in one SQLite file.

Both are consumers of the log and keep their own position in it, committed in the transaction that takes a message in.
"""

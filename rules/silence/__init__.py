"""Silence: who was heard when, and what falls silent, alone or together (rules of the kind `missing`)."""

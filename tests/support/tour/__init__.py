"""The kill tour: one life of the product under load, killed wherever it hurts, and witnesses who look on.

A deployment (`deployment.py`) can be killed, paused and rolled, on each log. Each witness sends messages of its own,
and says at the end whether its law was kept. `tour.py` is the journey.
"""

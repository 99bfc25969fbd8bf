"""Every kind of file that is written, damaged in every way while nobody uses it, and opened by the code that reads it.

`python -m tests.damage` prints what became of each.
"""

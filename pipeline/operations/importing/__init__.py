"""`streamgauge import`: files of other systems, through the HTTP API of a running server.

A source gives tables as its files have them (`sources`), a plan says what each column becomes (`plan`), chunks of rows
are sent, some at once, and a journal says which are stored (`journal`). At the end the rows are read back by SQL and
compared with the files, row by row (`comparison`).
"""

"""Moving here from Amazon Timestream: what runs unchanged, what is translated, and what is not.

`check` reads the files that a Timestream user has: dashboards, SQL, scheduled queries, templates, rules of IoT Core,
models of IoT Events. Each kind of file has a module that says what it found; `checking` chooses among them.
"""

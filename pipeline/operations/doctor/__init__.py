"""Finds problems of this installation, and their remedies: a list of small checks, one per file, that change nothing.

A check is a function of the configuration that returns findings. Checks of a disk or a server first measure, and then
decide in a function of values, so that the decision can be tested without a full disk. A check removes what it creates;
it creates nothing in a data_dir that does not exist. `pipeline.operations.doctor.checks` lists them.
"""

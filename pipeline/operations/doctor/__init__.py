"""What is wrong here, and the remedy: a list of small checks, one a file, that change nothing.

A check is a function of the configuration that gives findings. Those that look at a disk or a server look first, and
decide in a function of values, so that the deciding can be tried without a full disk. What a check makes to look, it
removes; it makes nothing in a data_dir that is not there. `pipeline.operations.doctor.checks` lists them.
"""

"""The product as processes, for tests and benchmarks: run as users run it, in a folder, on free ports."""

from pipeline.testing.group import GroupProduct, Part
from pipeline.testing.product import COMMAND, FREE_PORTS, Product
from pipeline.testing.stopping import stand_still
from pipeline.testing.waiting import wait_for

__all__ = ["COMMAND", "FREE_PORTS", "GroupProduct", "Part", "Product", "stand_still", "wait_for"]

"""The configuration: streamgauge.yaml, the environment and the command's options, as one frozen value."""

from pipeline.base.quantities import Address
from pipeline.config.load import load_config
from pipeline.config.model import Config, Listener
from pipeline.config.receivers import Receiver
from pipeline.config.tables import Measure, Table

__all__ = ["Address", "Config", "Listener", "Measure", "Receiver", "Table", "load_config"]

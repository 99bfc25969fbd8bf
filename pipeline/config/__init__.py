"""The configuration: streamgauge.yaml, the environment and the command's options, as one frozen value."""

from pipeline.base.quantities import Address
from pipeline.config.load import load_config
from pipeline.config.model import Config, Listener
from pipeline.config.tables import Measure, Table
from pipeline.config.webhooks import Receiver

__all__ = ["Address", "Config", "Listener", "Measure", "Receiver", "Table", "load_config"]

"""The checks there are, in the order in which they are told. One more is one line."""

from __future__ import annotations

from pipeline.doctor.brokers import check_brokers
from pipeline.doctor.certificates import check_certificates
from pipeline.doctor.clock import check_clock
from pipeline.doctor.columns import check_columns
from pipeline.doctor.data_dir import check_data_dir
from pipeline.doctor.disk import check_disk
from pipeline.doctor.finding import Check
from pipeline.doctor.kafka import check_kafka
from pipeline.doctor.memory import check_memory
from pipeline.doctor.object_store import check_object_store
from pipeline.doctor.open_files import check_open_files
from pipeline.doctor.ports import check_ports
from pipeline.doctor.receivers import check_receivers
from pipeline.doctor.rule_files import check_rule_files
from pipeline.doctor.server import check_server
from pipeline.doctor.settings import check_settings
from pipeline.doctor.versions import check_versions

CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", check_settings),
    ("rules", check_rule_files),
    ("data_dir", check_data_dir),
    ("columns", check_columns),
    ("ports", check_ports),
    ("disk", check_disk),
    ("open files", check_open_files),
    ("clock", check_clock),
    ("memory", check_memory),
    ("certificates", check_certificates),
    ("brokers", check_brokers),
    ("receivers", check_receivers),
    ("kafka", check_kafka),
    ("bucket", check_object_store),
    ("versions", check_versions),
    ("server", check_server),
)

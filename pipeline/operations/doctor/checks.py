"""The list of checks, in the order of their findings. A new check is one more line."""

from __future__ import annotations

from pipeline.operations.doctor.brokers import check_brokers
from pipeline.operations.doctor.certificates import check_certificates
from pipeline.operations.doctor.clock import check_clock
from pipeline.operations.doctor.columns import check_columns
from pipeline.operations.doctor.data_dir import check_data_dir
from pipeline.operations.doctor.disk import check_disk
from pipeline.operations.doctor.finding import Check
from pipeline.operations.doctor.kafka import check_kafka
from pipeline.operations.doctor.memory import check_memory
from pipeline.operations.doctor.object_store import check_object_store
from pipeline.operations.doctor.open_files import check_open_files
from pipeline.operations.doctor.ports import check_ports
from pipeline.operations.doctor.receivers import check_receivers
from pipeline.operations.doctor.rule_files import check_rule_files
from pipeline.operations.doctor.server import check_server
from pipeline.operations.doctor.settings import check_settings
from pipeline.operations.doctor.silences import check_silences
from pipeline.operations.doctor.versions import check_versions

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
    ("silences", check_silences),
    ("kafka", check_kafka),
    ("bucket", check_object_store),
    ("versions", check_versions),
    ("server", check_server),
)

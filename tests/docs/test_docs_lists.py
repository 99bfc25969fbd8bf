"""The lists of the documents are the code's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pages import PAGES, ROOT, first_column, spans, text_of, unwrapped
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from pipeline.alerting.archive import alerts, dead_letters
from pipeline.api.http.routes import (
    alert_life,
    alert_stream,
    averages,
    deletes,
    detectors,
    devices,
    dimensions,
    doctor,
    explain,
    feedback,
    functions,
    imports,
    latest,
    live,
    me,
    measures,
    messages,
    parse,
    process,
    queries,
    query,
    ready,
    series,
    silences,
    tables,
    timestream,
    usage,
    welcome,
    workers,
    zones,
)
from pipeline.api.http.routes import alerts as alerts_routes
from pipeline.api.http.routes import dead_letters as dead_letters_routes
from pipeline.api.http.routes import rules as rules_routes
from pipeline.base import metrics
from pipeline.base.layout import Layout
from pipeline.config.brokers import DEFAULT_WINDOW
from pipeline.config.model import Config
from pipeline.gateway.brokers.connection import MAX_PACKET_BYTES, RETRY_REFUSED_S
from pipeline.gateway.brokers.subscriber import BACKOFF
from pipeline.gateway.brokers.trouble import Kind
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.mqtt.codes import REASON_CODE_OF, ReasonCode
from pipeline.log.dead_letter import Reason
from rules.files.level_keys import BAND_KEYS, LIMIT_KEYS
from rules.files.parse import RULE_KEYS
from rules.kinds import KINDS
from rules.kinds.arithmetic import FUNCTIONS as ARITHMETIC
from simulators.cli import simulate
from simulators.fleet import FaultKind
from store.catalog.names import RESERVED
from store.catalog.units import _TABLE as UNITS
from store.endpoint.shapes import REQUESTS
from store.sql.nodes.calls import CALLABLE


def settings_of(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The dotted path of every setting; lists and mappings of sections have their settings below them.

    A section within one of its own kind is listed once.
    """
    for name, field in model.model_fields.items():
        here = f"{path}{field.alias or name}"
        inner = [part for part in parts_of(field.annotation) if issubclass(part, BaseModel) and part is not model]
        if not inner or here in {
            "listener.users",
            "brokers",
            "http.tokens",
            "tables",
            "tables.time",
            "tables.measures",
            "receivers",
            "routes",
            "inhibitions",
            "silences",
            "silences.every",
        }:
            yield here
        for section in inner:
            yield from settings_of(section, f"{here}.")


def parts_of(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from parts_of(argument)


def test_the_settings_are_those_of_the_configuration() -> None:
    assert first_column(text_of("configuration.md"), "## Settings") == list(dict.fromkeys(settings_of(Config)))


def test_the_reserved_names_are_those_that_are_refused() -> None:
    assert {f"`{name}`" for name in RESERVED} <= set(re.findall(r"`[a-z_]+`", text_of("configuration.md")))


def test_the_units_are_those_that_convert() -> None:
    table = text_of("configuration.md").split("<!-- units -->")[1]

    assert re.findall(r"`(\w+)`", table) == [*UNITS]


def test_the_functions_are_those_of_sql() -> None:
    named = re.findall(r"^\| `(\w+)", text_of("functions.md"), re.MULTILINE)

    assert sorted(named) == [*CALLABLE]


def test_the_functions_of_expressions_are_those_of_rules() -> None:
    text = text_of("rules.md").split("<!-- functions -->")[1].split("<!-- /functions -->")[0]

    assert re.findall(r"`(\w+)", text) == [*ARITHMETIC]


def test_the_keys_of_rules_are_all_explained() -> None:
    """In code spans; the kinds in a table of their own, each with its keys."""
    text = text_of("rules.md")
    spans_of = set(re.findall(r"`([a-z_]+)(?:: [^`]*)?`", text))

    assert first_column(text, "## Kinds") == [*KINDS]
    assert {key.name for key in (*RULE_KEYS, *LIMIT_KEYS, *BAND_KEYS)} - spans_of == set()
    for kind in KINDS.values():
        row = next(row for row in text.splitlines() if row.startswith(f"| `{kind.name}`"))
        assert {key.name for key in kind.keys} <= set(re.findall(r"`(\w+)`", row)), kind.name


def test_the_reasons_of_dead_letters_are_those_there_are() -> None:
    assert first_column(text_of("payloads.md"), "## Dead letters") == [reason.value for reason in Reason]


def test_the_operations_are_those_of_the_endpoint() -> None:
    section = text_of("timestream.md").split("## Operations")[1].split("##")[0]

    assert sorted(re.findall(r"`(\w+)`", section)) == sorted(REQUESTS)


def metric_names() -> set[str]:
    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return {metric._name + ("_total" if isinstance(metric, Counter) else "") for metric in found}


def test_every_metric_named_in_the_documents_is_one() -> None:
    named = {name for page in PAGES for name in re.findall(r"\bstreamgauge_[a-z_]+", page.read_text(encoding="utf-8"))}

    assert named - metric_names() == set()


def test_operations_names_every_metric_with_its_labels() -> None:
    listed = first_column(text_of("operations.md"), "## What to watch")

    assert {name.split("{")[0] for name in listed} == metric_names()
    labels = {
        metric._name: set(metric._labelnames)
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    }
    for name in listed:
        bare, _, given = name.rstrip("}").partition("{")
        assert set(filter(None, given.split(","))) == labels[bare.removesuffix("_total")], name


def sources(folder: str) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / folder).rglob("*.py")))


def test_the_reasons_of_malformed_packets_are_those_of_the_decoder() -> None:
    raised = set(
        re.findall(
            r'(?:MalformedPacket\(|__init__\()\s*"(\w+)"',
            sources("pipeline/gateway/mqtt") + sources("pipeline/gateway"),
        )
    )

    listed = first_column(
        text_of("mqtt.md"),
        "`streamgauge_gateway_malformed_total{reason}`: bytes that are not MQTT as the standard has it",
    )

    assert set(listed) == raised


def test_the_codes_of_malformed_packets_are_those_that_are_sent() -> None:
    text = text_of("mqtt.md")
    for reason in first_column(
        text, "`streamgauge_gateway_malformed_total{reason}`: bytes that are not MQTT as the standard has it"
    ):
        code = REASON_CODE_OF.get(reason, ReasonCode.MALFORMED_PACKET)
        row = next(row for row in text.splitlines() if row.startswith("|") and f"`{reason}`" in row)
        assert f"0x{code:02X}" in row


def test_the_reasons_of_refusals_and_endings_are_those_of_the_gateway() -> None:
    code, text = sources("pipeline/gateway"), text_of("mqtt.md")

    refused = set(re.findall(r'(?:_refused\(connect, |Refused\(|connections_refused\.labels\()"(\w+)"', code))
    refused |= set(re.findall(r'(?:return|limit: str \| None =) "(connections|pending\w*)"', code))
    ended = set(re.findall(r'(?:\.end\(|_count_ended\(|connections_ended\.labels\()"(\w+)"', code))

    assert set(first_column(text, "`streamgauge_gateway_refused_total{reason}`")) == refused
    assert set(first_column(text, "`streamgauge_gateway_ended_total{reason}`")) == ended


def test_the_kinds_of_trouble_with_brokers_and_their_limits_are_the_codes() -> None:
    text = text_of("brokers.md")

    assert first_column(text, "`streamgauge_brokers_errors_total{broker,kind}`") == [kind.value for kind in Kind]
    assert BACKOFF.first_s == 0.5
    for told in (
        "at first after half a second",
        f"up to {BACKOFF.longest_s:g} s",
        f"again every {RETRY_REFUSED_S:g} s",
        f"above {MAX_PACKET_BYTES >> 10} KiB is truncated",
        f"ask for {DEFAULT_WINDOW['5']:,}",
        f"Mosquitto allows {DEFAULT_WINDOW['3.1.1']} unless",
    ):
        assert told in unwrapped("brokers.md"), told


def test_the_reasons_of_failed_handshakes_are_those_of_the_code() -> None:
    told = first_column(text_of("tls.md"), "`streamgauge_tls_handshakes_failed_total{server,reason}`")

    assert set(told) == set(re.findall(r'return "(\w+)", ', sources("pipeline/base/tls")))


def test_the_limits_of_mqtt_are_the_gateways() -> None:
    settings, text = ListenerSettings(), unwrapped("mqtt.md")

    for told in (
        f"| a packet | {settings.max_packet_bytes >> 10} KiB |",
        f"| an MQTT topic | {settings.max_topic_bytes:,} bytes",
        f"| unacknowledged messages of a connection | {settings.receive_maximum:,} ",
        f"| topic aliases of a connection | {settings.topic_alias_maximum} |",
        f"| time for the handshake of TLS, and from then on for the CONNECT | {settings.connect_timeout_s:g} s |",
        f"an accepted CONNECT | {settings.most_pending:,}, and {settings.most_pending_per_address:,} from one address",
        f"after {settings.batch.close_after_s * 1000:g} ms, at {settings.batch.max_messages:,} messages or",
        f"or at {settings.batch.max_bytes >> 20} MiB",
        f"When {settings.batch.max_waiting_messages:,} messages or {settings.batch.max_waiting_bytes >> 20} MiB wait",
    ):
        assert told in text, told


def test_the_paths_of_http_are_those_of_the_application() -> None:
    named = set(re.findall(r"`(GET|POST) (/[^`? ]*)", text_of("http.md")))

    routes = {
        (method, re.sub(r"\w+_id}", "id}", re.sub(r":path", "", route.path)))
        for module in (
            usage,
            zones,
            averages,
            alerts_routes,
            alert_life,
            explain,
            feedback,
            detectors,
            functions,
            imports,
            alert_stream,
            silences,
            devices,
            dimensions,
            doctor,
            latest,
            live,
            tables,
            me,
            measures,
            messages,
            parse,
            series,
            rules_routes,
            dead_letters_routes,
            deletes,
            queries,
            query,
            timestream,
            process,
            ready,
            welcome,
            workers,
            rules_routes,
        )
        for route in (*module.router.routes, *(process.scraping.routes if module is process else ()))
        for method in route.methods
    }
    assert named - {("GET", "/docs"), ("GET", "/openapi.json")} == routes


def test_the_names_in_the_data_dir_are_those_of_the_layout() -> None:
    tree = text_of("formats.md").split("```")[1]
    layout = Layout(Path("data_dir"))
    properties = [name for name, value in vars(Layout).items() if isinstance(value, property)]
    properties = [name for name in properties if not name.startswith("former_")]  # what is migrated is gone then

    names = {getattr(layout, name).name for name in properties}

    assert {line.split("── ")[1].split()[0].rstrip("/") for line in tree.splitlines() if "── " in line} == names


def test_the_faults_are_those_of_the_simulators() -> None:
    assert first_column(text_of("simulators.md"), "## Faults") == [kind.value for kind in FaultKind]


def test_the_options_of_simulate_are_all_explained() -> None:
    text = text_of("simulators.md")

    listed = re.findall(r"`(--[a-z-]+)`", "".join(row for row in text.splitlines() if row.startswith("| `--")))

    assert {option for option in listed if option != "--"} >= {
        option for parameter in simulate.params for option in parameter.opts if option.startswith("--")
    }


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("payloads.md", f"kept for {dead_letters.KEEP.days} days, or up to {dead_letters.KEEP_BYTES >> 20} MiB"),
        ("rules.md", f"until {alerts.KEEP.days} days after"),
        ("receivers.md", f"kept for {alerts.KEEP.days} days"),
    ],
)
def test_what_is_told_to_be_kept_is_kept_so_long(page: str, told: str) -> None:
    assert told in unwrapped(page)


def test_every_variable_named_sets_something() -> None:
    from pipeline.config.environment import _OF_THE_COMMAND, overrides_in

    named = {name for _, span in spans() for name in re.findall(r"\bSTREAMGAUGE_[A-Z_]+[A-Z]", span)}
    named |= {name for page in PAGES for name in re.findall(r"\bSTREAMGAUGE_[A-Z_]+[A-Z]", page.read_text())}

    _, problems = overrides_in(dict.fromkeys(named - set(_OF_THE_COMMAND), "[]"))

    assert named >= set(_OF_THE_COMMAND)
    assert problems == []

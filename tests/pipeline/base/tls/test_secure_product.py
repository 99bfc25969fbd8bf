"""The whole product with TLS on both servers, client certificates and two gateways, as its users meet it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import paho.mqtt.client as paho
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError
from click import UsageError

from pipeline.base.errors import ServerRefused
from pipeline.base.layout import Layout
from pipeline.operations.cli.group import run as command_line
from simulators.cli import simulate
from tests.support.certificate_files import Authority
from tests.support.commands import COMMAND
from tests.support.paho_clients import disconnect
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

EXPIRY = "streamgauge_tls_certificate_expiry_timestamp_seconds"
FLEET = "sensors: 6\ninterval: 1s\nlayout: {regions: [eu-west], greenhouses: 1, zones: [north]}\n"


class Site(Product):
    """A product whose certificates are in `folder`, of `authority`."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        for server in ("mqtt", "http"):
            self.authority.issue(server)
        users = [
            {"username": "ada", "password": "hush"},
            {"username": "fleet", "certificate": True},
        ]
        tls = {"certificate": "mqtt.pem", "key": "mqtt.key", "client_ca": self.authority.ca.name}
        config = {
            "listener": {"address": "127.0.0.1:0", "users": users, "tls": tls, "gateways": 2},
            "http": {"address": "127.0.0.1:0", "tls": {"certificate": "http.pem", "key": "http.key"}},
        }
        super().__init__(folder, json.dumps(config), ca=self.authority.ca)

    @property
    def url(self) -> str:
        return f"https://{self.http}"

    def shown(self, address: str) -> bytes:
        """The certificate that a new connection to this address sees."""
        host, _, port = address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), timeout=60) as plain,
            self.authority.trusting().wrap_socket(plain, server_hostname=host) as connection,
        ):
            return connection.getpeercert(binary_form=True) or b""

    def device(self, client_id: str) -> paho.Client:
        """A connected device with a password."""
        device = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id)
        device.tls_set(ca_certs=str(self.authority.ca))
        device.username_pw_set("ada", "hush")
        host, _, port = self.mqtt.rpartition(":")
        device.connect(host, int(port))
        device.loop_start()
        wait_for(device.is_connected, "the device is connected", timeout_s=60)
        return device

    def ask(self, sql: str) -> list[list[Any]]:
        """The rows of a query; none while there is no such table."""
        try:
            with self.client() as client:
                rows: list[list[Any]] = client.post("v1", "query", body={"sql": sql}).json()["rows"]
        except ServerRefused:
            return []
        return rows

    def metrics(self) -> str:
        return httpx.get(f"{self.url}/metrics", verify=self.authority.trusting()).text

    def connections(self) -> list[float]:
        """How many devices each gateway has."""
        lines = [line for line in self.metrics().splitlines() if line.startswith("streamgauge_gateway_connections{")]
        return [float(line.rpartition(" ")[2]) for line in sorted(lines)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as running:
        yield running


def value_in(page: str, series: str) -> float:
    """The value of one series on a page of metrics; 0 if it is not there."""
    return next((float(line.split()[-1]) for line in page.splitlines() if line.startswith(series + " ")), 0.0)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_up_says_where_questions_go(site: Site) -> None:
    assert f"HTTP API on https://{site.http}" in site.output.read_text()


@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_client_commands_ask_over_https_whom_they_are_told_to_trust(
    site: Site, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ca, ask = str(site.authority.ca), ["query", "SELECT 1 AS one", "--format", "csv"]
    if place == "before":
        code = command_line(["--endpoint", site.url, "--ca", ca, *ask])
    elif place == "after":
        code = command_line([*ask, "--endpoint", site.url, "--ca", ca])
    else:
        monkeypatch.setenv("STREAMGAUGE_ENDPOINT", site.url)
        monkeypatch.setenv("STREAMGAUGE_CA", ca)
        code = command_line(ask)

    assert (code, capsys.readouterr().out) == (0, "one\n1\n")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 3, "the certificate of {url} is not trusted: "),
        (["--ca", "{folder}/mqtt.key"], 2, "--ca {folder}/mqtt.key: no certificates in PEM are in it"),
        (["--ca", "{folder}/none.pem"], 2, "--ca {folder}/none.pem: cannot be read: No such file"),
    ],
)
def test_a_certificate_that_is_not_trusted_ends_a_command_with_a_clear_message(
    site: Site, options: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"folder": str(site.folder), "url": site.url}

    assert command_line(["--endpoint", site.url, *[o.format(**places) for o in options], "query", "SELECT 1"]) == code

    assert capsys.readouterr().err.startswith("Error: " + message.format(**places))


def test_another_name_than_the_certificates_is_not_trusted(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The address is in the certificate; this name of the same machine is not."""
    url = site.url.replace("127.0.0.1", "localhost")

    assert command_line(["--endpoint", url, "--ca", str(site.authority.ca), "query", "SELECT 1"]) == 3

    assert "is not trusted: Hostname mismatch" in capsys.readouterr().err


def test_http_without_tls_is_not_answered(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["--endpoint", f"http://{site.http}", "query", "SELECT 1"]) == 3

    assert "no server answers" in capsys.readouterr().err


def test_tls_1_1_is_not_spoken(site: Site) -> None:
    host, _, port = site.http.rpartition(":")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1

    with socket.create_connection((host, int(port)), timeout=60) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)


@pytest.mark.parametrize("reason", ["not_tls", "refused_by_client"])
def test_handshakes_of_http_that_fail_are_counted_with_their_reason(site: Site, reason: str) -> None:
    host, _, port = site.http.rpartition(":")
    series = f'streamgauge_tls_handshakes_failed_total{{reason="{reason}",server="http"}}'
    before = value_in(site.metrics(), series)

    with socket.create_connection((host, int(port)), timeout=60) as plain:
        if reason == "not_tls":
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        wait_for(lambda: value_in(site.metrics(), series) == before + 1, "it is counted")


def test_boto3_writes_and_asks_over_https(site: Site) -> None:
    def client(service: str, verify: str | None) -> Any:
        return boto3.client(
            service,
            endpoint_url=site.url,
            verify=verify,
            region_name="eu-west-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}),
        )

    ca = str(site.authority.ca)
    write = client("timestream-write", ca)
    write.create_database(DatabaseName="MyDatabase")
    write.create_table(DatabaseName="MyDatabase", TableName="MyTable")
    record = {
        "Dimensions": [{"Name": "host", "Value": "h1"}],
        "MeasureName": "cpu",
        "MeasureValue": "13.5",
        "MeasureValueType": "DOUBLE",
        "Time": str(int(time.time() * 1000)),
    }
    write.write_records(DatabaseName="MyDatabase", TableName="MyTable", Records=[record])
    sql = 'SELECT measure_value::double FROM "MyDatabase"."MyTable"'
    answer = client("timestream-query", ca).query(QueryString=sql)

    assert answer["Rows"][0]["Data"][0]["ScalarValue"] == "13.5"
    with pytest.raises(SSLError):
        client("timestream-query", None).query(QueryString=sql)


def test_simulated_devices_publish_over_tls_with_a_certificate(site: Site) -> None:
    fleet = site.folder / "fleet.yaml"
    fleet.write_text(FLEET)
    certificate, key = site.authority.issue("device", common_name="fleet")
    options = ["--mqtt", site.mqtt, "--speed", "max", "--duration", "20s", "--tls-ca", str(site.authority.ca)]
    proof = ["--tls-certificate", str(certificate), "--tls-key", str(key)]

    ended = run("simulate", str(fleet), *options, *proof)

    assert ended.returncode == 0, ended.stderr
    wait_for(lambda: site.ask('SELECT COUNT(*) FROM "default"."readings"') == [[120]], "all are stored")
    assert run("simulate", str(fleet), *options).returncode == 3  # nobody's user name
    with pytest.raises(UsageError, match="--tls-certificate and --tls-key go together"):
        simulate.main([str(fleet), *options, "--tls-key", str(key)], standalone_mode=False)


def test_both_gateways_take_connections_and_their_metrics_are_told_apart(site: Site) -> None:
    """Which one takes a connection is the kernel's choice, by the ports of both ends."""
    devices: list[paho.Client] = []
    try:
        while len(devices) < 60 and not (len(found := site.connections()) == 2 and all(found)):
            devices.append(site.device(f"d{len(devices)}"))

        wait_for(lambda: sum(site.connections()) == len(devices), "all are counted")
        assert all(site.connections())
        page = site.metrics()
        assert {'gateway="gateway-1"', 'gateway="gateway-2"'} <= {
            label for line in page.splitlines() if line.startswith("streamgauge_gateway_connections{")
            for label in [line.partition("{")[2].partition("}")[0]]
        }  # fmt: skip
        assert page.count("# TYPE streamgauge_gateway_connections gauge") == 1
        assert "# TYPE streamgauge_stream_lag_seconds gauge" in page
    finally:
        for device in devices:
            disconnect(device)


def test_at_sighup_all_servers_show_the_new_certificates_and_no_connection_ends(site: Site) -> None:
    device = site.device("stays")
    children = json.loads(Layout(site.data_dir).up_state.read_bytes())["children"]
    ends = datetime(2041, 1, 1, tzinfo=UTC)
    new = {
        server: ssl.PEM_cert_to_DER_cert(site.authority.issue(server, not_after=ends)[0].read_text())
        for server in ("mqtt", "http")
    }

    os.kill(json.loads(Layout(site.data_dir).up_state.read_bytes())["pid"], signal.SIGHUP)

    wait_for(lambda: site.shown(site.http) == new["http"], "HTTP shows the new certificate")
    told = "listener.tls: new certificate, valid until 2041-01-01T00:00:00Z"
    wait_for(lambda: site.output.read_text().count(told) >= 2, "both gateways have it")
    assert site.shown(site.mqtt) == new["mqtt"]
    device.publish("stays/here", "1", qos=1).wait_for_publish(60)
    assert device.is_connected()
    disconnect(device)
    assert json.loads(Layout(site.data_dir).up_state.read_bytes())["children"] == children
    assert value_in(site.metrics(), EXPIRY + '{server="mqtt"}') == ends.timestamp()


def test_http_finds_new_files_by_itself_and_refuses_bad_ones(site: Site) -> None:
    before = site.shown(site.http)
    failed = value_in(site.metrics(), 'streamgauge_tls_reloads_total{outcome="failed",server="http"}')
    now = datetime.now(UTC)
    site.authority.issue("http", not_before=now - timedelta(days=2), not_after=now - timedelta(days=1))
    refusal = f"http.tls.certificate: {site.folder / 'http.pem'}: expired at"
    wait_for(lambda: refusal in site.output.read_text(), "the expired certificate is refused")
    assert site.shown(site.http) == before

    new = ssl.PEM_cert_to_DER_cert(site.authority.issue("http")[0].read_text())

    wait_for(lambda: site.shown(site.http) == new, "HTTP shows the new certificate")
    assert value_in(site.metrics(), 'streamgauge_tls_reloads_total{outcome="failed",server="http"}') == failed + 1


@pytest.mark.parametrize("command", ["up", "gateway", "worker"])
def test_files_that_cannot_be_used_end_it_at_the_start_with_exit_code_2(tmp_path: Path, command: str) -> None:
    section = "http" if command == "worker" else "listener"
    file = tmp_path / "streamgauge.yaml"
    file.write_text(f'{section}: {{address: "127.0.0.1:0", tls: {{certificate: a.pem, key: a.key}}}}\n')

    ended = run(command, "--config", str(file), "--data-dir", str(tmp_path / "data"))

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        f"Error: {section}.tls.certificate: {tmp_path / 'a.pem'}: cannot be read: No such file or directory"
    )
    assert ended.stderr.count("cannot be read") == 1

"""What a whole streamgauge.yaml becomes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Address, Config, load_config
from pipeline.config.load import load
from pipeline.config.roles import Role
from pipeline.config.show import show_config

GOOD = Path(__file__).parent / "good" / "everything.yaml"
ENVIRON = {
    "PEER_TOKEN": "known-to-workers-only",
    "FARM_7": "hush-farm",
    "BROKER_PASSWORD": "hush-broker",
    "DASHBOARD": "hush-dashboard",
    "HOOK_SECRET": "whsec_" + "QUJD" * 8,
}

Loads = Callable[..., Config]
Refuses = Callable[..., list[str]]


def test_no_file_at_all_takes_everything_on_loopback_into_one_table(tmp_path: Path) -> None:
    config = load_config()

    (table,) = config.tables
    assert (table.name, table.takes_everything, table.zone_template, table.measure_name) == (
        "default.readings", True, None, "readings",
    )  # fmt: skip
    assert (config.listener.address, config.http.address) == (Address("127.0.0.1", 1883), Address("127.0.0.1", 8080))
    assert config.data_dir == Path.cwd() / "data"
    assert (config.log.max_bytes, config.log.min_free, config.memory_limit) == (8 * 2**30, 2**30, 2**30)
    assert (config.rule_files, config.receivers, config.warnings) == ([], (), ())


def test_every_setting_of_a_full_file_is_taken_over() -> None:
    config = load_config(GOOD, ENVIRON)

    (table,) = config.tables
    (user,) = config.listener.users
    (receiver,) = config.receivers
    assert (user.username, user.password.get_secret_value(), user.account) == ("farm-7", "hush-farm", "farm-7")
    assert _token(config) == "hush-dashboard"
    assert table.database_and_table == ("agriculture", "readings")
    assert table.zone_template == "{greenhouse}/{zone}"
    assert table.time is not None
    assert (table.time.field, table.time.unit) == ("ts", "ms")
    assert (table.measure_name, table.dimensions) == ("climate", ("device_id",))
    assert table.limits.future == timedelta(minutes=15)
    assert table.units == {"temperature": "celsius"}
    assert table.measures["temp_f"].name == "temperature"
    assert (table.retention.memory, table.retention.magnetic) == (timedelta(hours=1), timedelta(days=365))
    assert [secret.get_secret_value() for secret in receiver.webhook.secret] == [ENVIRON["HOOK_SECRET"]]


def test_secrets_in_the_clear_are_warned_of_and_with_tls_are_not() -> None:
    users, tokens = [{"username": "a", "password": "b"}], [{"token": "t"}]
    plain = {
        "listener": {"address": "0.0.0.0:1883", "users": users},
        "http": {"address": "0.0.0.0:8080", "tokens": tokens},
    }
    files = {"certificate": "c.pem", "key": "k.pem"}
    secure = {name: {**section, "tls": files} for name, section in plain.items()}

    assert [warning.partition(" can be")[0] for warning in Config.model_validate(plain).warnings] == [
        "listener.address: 0.0.0.0:1883",
        "http.address: 0.0.0.0:8080",
    ]
    assert Config.model_validate(secure).warnings == ()


@pytest.mark.parametrize(
    ("log", "count"),
    [
        ({"url": "kafka://we:secret@h:1"}, 1),
        ({"url": "kafka://we:secret@h:1", "tls": {}}, 0),
        ({"url": "kafka://we:secret@h:1", "sasl": {"mechanism": "SCRAM-SHA-256"}}, 0),
        ({"url": "kafka://h:1"}, 0),
    ],
)
def test_a_password_that_kafka_is_told_in_the_clear_is_warned_of_and_not_shown(log: dict[str, Any], count: int) -> None:
    warnings = Config.model_validate({"log": log}).warnings

    assert len(warnings) == count
    assert "secret" not in "".join(warnings)


def test_required_client_certificates_count_as_users() -> None:
    tls = {"certificate": "c.pem", "key": "k.pem", "client_ca": "ca.pem", "require_client_certificate": True}

    config = Config.model_validate({"listener": {"address": "0.0.0.0:8883", "tls": tls}})

    assert config.listener_tls is not None
    assert config.listener_tls.requires_client_certificate


def test_the_store_is_told_what_it_needs_of_a_table() -> None:
    settings = load_config(GOOD, ENVIRON).templates()["agriculture", "readings"]

    assert settings.from_config
    assert settings.magnetic_writes, "tables of the file accept late rows as far back as both retentions reach"
    assert settings.zone == "{greenhouse}/{zone}"
    assert settings.units == {"temperature": "celsius"}
    assert settings.magnetic_retention == timedelta(days=365)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, loads: Loads) -> None:
    (tmp_path / "rules").mkdir()
    for name in ("b.yaml", "a.yaml", "c.txt"):
        (tmp_path / "rules" / name).touch()

    config = loads("data_dir: here\nmagnetic: {url: ./cold}\nrules: ['rules/*.yaml', gone.yaml, rules/a.yaml]")

    assert config.data_dir == tmp_path / "here"
    assert config.log_settings.url == f"local://{tmp_path}/here/log"
    assert config.magnetic_url == f"{tmp_path}/cold"
    rules = tmp_path / "rules"
    assert config.rule_files == [rules / "a.yaml", rules / "b.yaml", tmp_path / "gone.yaml"]


def test_the_magnetic_tier_is_in_the_data_dir_unless_told_otherwise(tmp_path: Path, loads: Loads) -> None:
    assert loads("data_dir: here").magnetic_url == f"{tmp_path}/here/magnetic"


def test_the_magnetic_tier_may_be_in_a_bucket_or_a_folder_by_its_url(loads: Loads) -> None:
    assert loads("magnetic: {url: 's3://bucket/a/b/'}").magnetic_url == "s3://bucket/a/b"
    assert loads("magnetic: {url: 'file:///some/folder'}").magnetic_url == "/some/folder"


def test_log_may_be_its_bare_url(loads: Loads) -> None:
    assert loads("log: local") == loads("log: {url: local}") == loads("")


def test_options_win_over_the_environment_and_that_over_the_file(loads: Loads) -> None:
    text = "http: {address: '127.0.0.1:1'}\nlistener: {address: '127.0.0.1:1'}\nmemory_limit: 1MiB"

    config = loads(
        text,
        {"STREAMGAUGE_HTTP__ADDRESS": "127.0.0.1:2", "STREAMGAUGE_LISTENER__ADDRESS": "127.0.0.1:2"},
        {"--mqtt": "127.0.0.1:3"},
    )

    assert (config.listener.address.port, config.http.address.port, config.memory_limit) == (3, 2, 2**20)


def test_a_bare_log_keeps_its_url_when_the_environment_sets_its_size(loads: Loads) -> None:
    config = loads("log: local", {"STREAMGAUGE_LOG__MAX_BYTES": "5MiB"})

    assert (config.log.url, config.log.max_bytes) == ("local", 5 * 2**20)


def test_lists_and_sections_come_from_the_environment_as_json(loads: Loads) -> None:
    config = loads(
        "",
        {
            "STREAMGAUGE_TABLES": '[{"name": "farm.air", "topics": "a/{b}"}]',
            "STREAMGAUGE_HTTP": '{"address": "127.0.0.1:7"}',
            "STREAMGAUGE_HTTP__TOKENS": '[{"token": "hush"}]',
            "STREAMGAUGE_LOG": "local",
        },
    )

    assert [table.name for table in config.tables] == ["farm.air"]
    assert config.http.host_and_port == ("127.0.0.1", 7)
    assert _token(config) == "hush"


def test_what_the_command_and_kubernetes_put_into_the_environment_is_no_setting(loads: Loads) -> None:
    environ = {
        "STREAMGAUGE_CONFIG": "x",
        "STREAMGAUGE_ENDPOINT": "x",
        "STREAMGAUGE_TOKEN": "x",
        "STREAMGAUGE_SIMULATE_PASSWORD": "x",
        "STREAMGAUGE_SERVICE_HOST": "10.0.0.1",
        "STREAMGAUGE_PORT_8080_TCP_ADDR": "10.0.0.1",
    }

    assert loads("", environ) == loads("")


def test_a_reference_that_is_escaped_stays_text(loads: Loads) -> None:
    config = loads("http: {tokens: [{token: 'a$${NAME}b${NAME}'}]}", {"NAME": "x"})

    assert _token(config) == "a${NAME}bx"


def test_secrets_show_nowhere() -> None:
    loaded = load(GOOD, ENVIRON, {})

    texts = (repr(loaded.config), str(loaded.config), show_config(loaded), loaded.config.model_dump_json())
    assert not [secret for secret in ENVIRON.values() for text in texts if secret in text]


def test_config_show_says_where_each_setting_came_from() -> None:
    shown = show_config(load(GOOD, {**ENVIRON, "STREAMGAUGE_MEMORY_LIMIT": "5MiB"}, {"--http": "127.0.0.1:9"}))

    lines = [line.strip() for line in shown.splitlines()]
    assert "address: 127.0.0.1:9  # --http" in lines
    assert "memory_limit: 5MiB  # STREAMGAUGE_MEMORY_LIMIT" in lines
    assert f"max_bytes: 8GiB  # {GOOD}:5" in lines


def test_the_url_of_a_webhook_is_shown_without_what_may_be_secret(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "receivers: [{name: a, webhook: {url: 'https://al:s3cret@h.example:8443/services/T0/b?token=c'}}]\n"
    )
    loaded = load(path, {}, {})

    assert "https://***@h.example:8443/***?***" in show_config(loaded)
    for text in (repr(loaded.config), show_config(loaded), loaded.config.model_dump_json()):
        assert not [secret for secret in ("s3cret", "services", "T0", "token=c") if secret in text]


def test_what_config_show_prints_loads_as_the_same_configuration(tmp_path: Path) -> None:
    """But for secrets."""
    path, shown = tmp_path / "a.yaml", tmp_path / "b.yaml"
    path.write_text(
        "data_dir: /var/x\n"
        "tables: [{name: farm.air, topics: 'a/{b}/#', zone: b, measures: {t: {as: u, unit: kelvin}}}]\n"
        "receivers: [{name: 'on: off', webhook: {url: 'https://hooks.example/'}}]\n"
    )
    loaded = load(path, {}, {})

    shown.write_text(show_config(loaded))

    assert load(shown, {}, {}).config == loaded.config


def test_the_example_that_init_writes_loads_as_it_stands(loads: Loads) -> None:
    text = resources.files("pipeline.config").joinpath("example.yaml").read_text(encoding="utf-8")

    assert [table.name for table in loads(text).tables] == ["agriculture.readings", "default.readings"]


def test_everything_the_example_has_commented_out_loads_too(loads: Loads) -> None:
    text = resources.files("pipeline.config").joinpath("example.yaml").read_text(encoding="utf-8")
    uncommented = re.sub(r"(?m)^( *)#(?! )", r"\1", text)

    config = loads(uncommented, ENVIRON)

    assert [user.username for user in config.listener.users] == ["farm-7"]
    assert [receiver.name for receiver in config.receivers] == ["growers"]
    assert config.tables[0].measures["count"].type == "bigint"


def _token(config: Config) -> str:
    """The only one there is."""
    (token,) = config.http.tokens
    assert (token.account, token.role) == ("default", Role.WRITE)
    return token.token.get_secret_value()

"""Certificate files at the start: what is good, and what is said of what is not."""

from __future__ import annotations

import ssl
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.base.tls.files import TlsFiles, load
from pipeline.base.tls.peers import common_name
from pipeline.base.tls.validity import validity_of_pem
from tests.support.certificate_files import Authority
from tests.support.examples import examples


@pytest.mark.parametrize("year", [1999, 2049, 2050, 2051])
def test_the_validity_read_is_the_one_that_was_written(authority: Authority, year: int) -> None:
    """2049 and 2050: RFC 5280 writes the years from 2050 on in another form."""
    first, last = datetime(year - 20, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    certificate, _ = authority.issue("server", not_before=first, not_after=last)

    validity = validity_of_pem(certificate.read_bytes())

    assert (validity.not_before_s, validity.not_after_s) == (first.timestamp(), last.timestamp())


@examples(200)
@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: b"\x30\x20\x30\x1e\xa0\x03\x02\x01\x02" + rest))
def test_what_is_no_certificate_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(ValueError, match="certificate"):
        validity_of_pem(ssl.DER_cert_to_PEM_cert(data).encode())


@pytest.mark.parametrize("wrong", ["certificate", "key", "client_ca"])
@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read: No such file or directory"), ("nonsense", "in PEM")]
)
def test_a_file_that_is_missing_or_nonsense_is_told_with_its_setting(
    authority: Authority, wrong: str, content: str | None, message: str
) -> None:
    file = authority.folder / "wrong"
    if content is not None:
        file.write_text(content)
    files = replace(authority.files(client_ca=authority.ca), **{wrong: file})

    with pytest.raises(ConfigError) as refusal:
        load(files, time.time())

    assert str(refusal.value).startswith(f"listener.tls.{wrong}: {file}: ")
    assert message in str(refusal.value)


def test_a_key_of_another_certificate_is_told(authority: Authority) -> None:
    files = replace(authority.files(), key=authority.issue("other")[1])

    with pytest.raises(ConfigError, match=r"^listener\.tls\.key: .*other\.key: is not the key of the certificate"):
        load(files, time.time())


@pytest.mark.processes
def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(authority: Authority) -> None:
    files = authority.files()
    locked = authority.folder / "locked.key"
    command = ["openssl", "pkey", "-in", str(files.key), "-aes256", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(command, check=True)

    with pytest.raises(ConfigError, match=r"^listener\.tls\.key: .*locked\.key: needs a passphrase"):
        load(replace(files, key=locked), time.time())


@pytest.mark.parametrize(
    ("offset_s", "refusal"), [(0, None), (1, "expired at 2030-01-01T00:00:00Z"), (-86_401, "valid from")]
)
def test_an_expired_certificate_is_refused_from_the_second_after_its_last(
    authority: Authority, offset_s: int, refusal: str | None
) -> None:
    last = datetime(2030, 1, 1, tzinfo=UTC)
    certificate, key = authority.issue("server", not_before=last - timedelta(days=1), not_after=last)
    files, now_s = TlsFiles("http.tls", certificate, key), last.timestamp() + offset_s
    if refusal is None:
        assert load(files, now_s)[1].not_after_s == last.timestamp()
        return

    with pytest.raises(ConfigError, match=refusal):
        load(files, now_s)


def test_a_host_whose_clock_is_not_set_serves_all_the_same(authority: Authority) -> None:
    """Its clients judge the certificate by their own clocks."""
    assert load(authority.files(), now_s=40.0)


def test_tls_1_1_is_not_spoken(authority: Authority) -> None:
    context, _ = load(authority.files(), time.time())

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_several_common_names_name_nobody() -> None:
    subject = ((("countryName", "XY"),), (("commonName", "a"),))

    assert common_name({"subject": subject}) == "a"
    assert common_name({"subject": (*subject, (("commonName", "b"),))}) is None
    assert common_name({"subject": ()}) is None
    assert common_name(None) is None


def test_relative_paths_are_those_of_the_configurations_folder(tmp_path: Path) -> None:
    from pipeline.config import load_config

    file = tmp_path / "streamgauge.yaml"
    file.write_text(
        "listener: {tls: {certificate: tls/a.pem, key: /b.key, client_ca: c.pem}}\n"
        "http: {tls: {certificate: d.pem, key: e.key}}\n"
    )

    config = load_config(file)

    assert config.listener_tls == TlsFiles("listener.tls", tmp_path / "tls/a.pem", Path("/b.key"), tmp_path / "c.pem")
    assert config.http_tls == TlsFiles("http.tls", tmp_path / "d.pem", tmp_path / "e.key")

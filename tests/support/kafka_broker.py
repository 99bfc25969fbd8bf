"""A real Kafka for tests: one broker (KRaft) on reserved loopback ports, ended by its id.

Its jars are downloaded from Maven Central once per machine, into tests/kafka/.jars. It listens without encryption, and
also with TLS and SASL (PLAIN, SCRAM); certificates are created for the run.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trustme
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from cryptography.hazmat.primitives import serialization

from pipeline.log import topics
from pipeline.log.settings import LogSettings, Sasl, Tls
from tests.support.ports import kept_ports
from tests.support.stopping import stand_still
from tests.support.waiting import wait_for

HERE = Path(__file__).parents[1] / "kafka"
JARS = HERE / ".jars"
CLUSTER_ID = "xtzWWN4bTjitpL3kfd9s5g"
USER, PASSWORD = "streamgauge", "kept-secret"
_START_S = 240.0
_JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")
_JAVA_OPTIONS = ("-Xmx256m", "-Xms64m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")

# Settings of every broker here: it detects lost clients quickly, and does not create topics automatically.
EVERY_BROKER = """\
process.roles=broker,controller
controller.listener.names=CONTROLLER
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
message.max.bytes=8388608
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=16777216
"""

_prefixes = itertools.count()


def jars() -> str:
    """Kafka's class path; one process at a time downloads it if it is missing."""
    with _alone():
        stamp = JARS / f"complete-{(HERE / 'pom.xml').stat().st_size}"
        if not stamp.exists():
            goal = ("dependency:copy-dependencies", f"-DoutputDirectory={JARS}", "-DincludeScope=runtime")
            subprocess.run(["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), *goal], check=True)
            stamp.touch()
    return f"{JARS}/*"


def java(folder: Path) -> tuple[str, ...]:
    """The command that runs a class of Kafka; temporary files go to `folder`."""
    return (*_JAVA, *_JAVA_OPTIONS, f"-Djava.io.tmpdir={folder}", "-cp", jars())


def _formatted(properties: Path) -> Path:
    """The data of a new broker with our user; created once, since Java takes seconds to start."""
    class_path = jars()
    with _alone():
        data = JARS / "formatted"
        if not data.exists():
            scram = [f"SCRAM-SHA-{size}=[name={USER},password={PASSWORD}]" for size in (256, 512)]
            adds = [word for one in scram for word in ("--add-scram", one)]
            unfinished = JARS / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            settings = JARS / "format.properties"
            lines = properties.read_text().splitlines()
            dirs = [f"log.dirs={unfinished}" if line.startswith("log.dirs=") else line for line in lines]
            settings.write_text("\n".join(dirs))
            tool = (*_JAVA, "-cp", class_path, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID)
            subprocess.run([*tool, "-c", str(settings), *adds], check=True, capture_output=True)
            unfinished.rename(data)
        return data


@contextmanager
def _alone() -> Iterator[None]:
    with (HERE / ".jars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Broker:
    """One broker with its data in `folder`."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        """`ports`: three of `kept_ports`."""
        self.folder = folder
        self.port, self.secure_port, self._controller_port = ports
        self._process: subprocess.Popen[bytes] | None = None
        self._make_certificates()

    # --- what clients are told ---

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    def settings(self, prefix: str | None = None, **others: object) -> LogSettings:
        """Settings of a separate log on this broker."""
        prefix = prefix or f"t{os.getpid()}-{next(_prefixes)}."
        return LogSettings(self.url, **{"prefix": prefix, "group": prefix + "workers", **others})  # type: ignore[arg-type]

    def secure_settings(self, mechanism: str, **others: object) -> LogSettings:
        """The same with TLS and SASL."""
        tls, sasl = Tls(ca=self.ca), Sasl(USER, PASSWORD, mechanism)
        plain = self.settings(None, **{"tls": tls, "sasl": sasl, **others})
        object.__setattr__(plain, "url", f"kafka://localhost:{self.secure_port}")
        return plain

    async def alter_topic(self, kafka_topic: str, configuration: dict[str, str]) -> None:
        """Change the settings of a topic."""
        client = AIOKafkaAdminClient(bootstrap_servers=[f"127.0.0.1:{self.port}"])
        await client.start()
        try:
            await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, kafka_topic, configuration)])
        finally:
            await client.close()

    # --- its life ---

    def start(self) -> None:
        """Start, and wait until it responds; on the same ports and data after `stop` or `kill`."""
        self._configure()
        with (self.folder / "output").open("ab") as output:
            command = (*java(self.folder), "kafka.Kafka", str(self.folder / "server.properties"))
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        wait_for(self._is_up, "Kafka is up", timeout_s=_START_S)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open without any response."""
        assert self._process is not None
        stand_still(self._process.pid)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "output").read_text()[-4000:]
        try:
            for port in (self.port, self.secure_port):
                socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    def _configure(self) -> None:
        jaas = "org.apache.kafka.common.security"
        lines = f"""{EVERY_BROKER}
node.id=1
controller.quorum.voters=1@127.0.0.1:{self._controller_port}
listeners=PLAINTEXT://127.0.0.1:{self.port},SECURE://127.0.0.1:{self.secure_port},CONTROLLER://127.0.0.1:{self._controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port},SECURE://localhost:{self.secure_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={self.folder}/broker.pem
listener.name.secure.ssl.truststore.type=PEM
listener.name.secure.ssl.truststore.location={self.ca}
listener.name.secure.ssl.client.auth=requested
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config={jaas}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";
listener.name.secure.scram-sha-256.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
log.dirs={self.folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
"""
        (self.folder / "server.properties").write_text(lines)
        if not (self.folder / "data").exists():
            shutil.copytree(_formatted(self.folder / "server.properties"), self.folder / "data")

    def _make_certificates(self) -> None:
        authority = trustme.CA()
        self.ca = self.folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        broker = authority.issue_cert("localhost", "127.0.0.1")
        pem = _as_pkcs8(broker.private_key_pem.bytes()) + b"".join(blob.bytes() for blob in broker.cert_chain_pems)
        (self.folder / "broker.pem").write_bytes(pem)
        client = authority.issue_cert("client")
        self.certificate, self.key = self.folder / "client.pem", self.folder / "client-key.pem"
        client.private_key_pem.write_to_path(self.key)
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))


def _as_pkcs8(key_pem: bytes) -> bytes:
    """The key in the only format that Java reads."""
    key = serialization.load_pem_private_key(key_pem, None)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


async def delete_topics(settings: LogSettings) -> None:
    """Delete the topics of a log, and wait until they are deleted."""
    client = AIOKafkaAdminClient(bootstrap_servers=settings.servers)
    await client.start()
    try:
        ours = [settings.kafka_topic(topic) for topic in topics.ALL]
        await client.delete_topics(ours)
        while set(ours) & set(await client.list_topics()):  # noqa: ASYNC110  # Kafka tells nobody
            await asyncio.sleep(0.05)
    finally:
        await client.close()


@contextmanager
def running_broker() -> Iterator[Broker]:
    """A separate broker, stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="kafka-") as folder, kept_ports(3) as ports:
        broker = Broker(Path(folder), ports)
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()


if __name__ == "__main__":  # before the tests, whose time is limited
    jars()

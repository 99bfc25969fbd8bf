"""Three real Kafka brokers that replicate each other's data, on reserved loopback ports: any one may fail."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.log.settings import LogSettings
from tests.support.kafka_broker import CLUSTER_ID, EVERY_BROKER, java
from tests.support.ports import kept_ports
from tests.support.waiting import wait_for

NODES = (1, 2, 3)


class Node:
    """One broker, which is also a controller."""

    def __init__(self, folder: Path, number: int, port: int, controllers: dict[int, int]) -> None:
        self.port = port
        self._folder = folder / f"node-{number}"
        self._folder.mkdir()
        self._settings = self._folder / "server.properties"
        self._settings.write_text(self._properties(number, controllers))
        self._process: subprocess.Popen[bytes] | None = None

    def format(self) -> None:
        """Create the folder of a new broker."""
        tool = (*java(self._folder), "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._settings))
        subprocess.run(tool, check=True, capture_output=True)

    def start(self) -> None:
        """Start it; returns at once."""
        with (self._folder / "output").open("ab") as output:
            command = (*java(self._folder), "kafka.Kafka", str(self._settings))
            self._process = subprocess.Popen(command, stdout=output, stderr=output)

    def is_up(self) -> bool:
        """Whether it accepts connections."""
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "output").read_text()[-4000:]
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _properties(self, number: int, controllers: dict[int, int]) -> str:
        voters = ",".join(f"{each}@127.0.0.1:{port}" for each, port in controllers.items())
        return f"""{EVERY_BROKER}
node.id={number}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controllers[number]}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={self._folder}/data
offsets.topic.replication.factor=3
replica.lag.time.max.ms=5000
controlled.shutdown.enable=false
"""


class Cluster:
    """The addresses for clients, and the brokers."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        """`ports`: two of `kept_ports` for each."""
        controllers = dict(zip(NODES, ports[len(NODES) :], strict=True))
        self.nodes = [Node(folder, number, port, controllers) for number, port in zip(NODES, ports, strict=False)]
        self.url = "kafka://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def settings(self, prefix: str = "cluster.") -> LogSettings:
        """Settings of a log with a copy on each broker."""
        return LogSettings(self.url, prefix=prefix, group=f"{prefix}workers", replication=len(NODES))

    def wait_until_up(self) -> None:
        """Return when every broker accepts connections."""
        for node in self.nodes:
            wait_for(node.is_up, "a broker is up")


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster, stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="kafka-cluster-") as folder, kept_ports(2 * len(NODES)) as ports:
        cluster = Cluster(Path(folder), ports)
        try:
            for node in cluster.nodes:
                node.format()
                node.start()
            cluster.wait_until_up()
            yield cluster
        finally:
            for node in cluster.nodes:
                node.kill()

"""An S3 server in its own process: moto's, on a free loopback port.

As a program it serves until its standard input ends, and prints its port. It handles one request at a time: for
`If-None-Match: *` moto checks and writes an object in two steps, which is one step in S3.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

REGION = "eu-central-1"
REQUESTS = "/requests-so-far"
AWAY = "/away"


@dataclass(frozen=True, slots=True)
class S3Server:
    endpoint: str
    process: subprocess.Popen[str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment for AWS's clients."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
        }

    def requests(self) -> list[str]:
        """The requests so far: method, path, range."""
        with urllib.request.urlopen(self.endpoint + REQUESTS) as answer:
            text: str = answer.read().decode()
        return text.splitlines()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Within the block every response is "503 Service Unavailable"."""
        urllib.request.urlopen(f"{self.endpoint}{AWAY}/now").close()
        try:
            yield
        finally:
            urllib.request.urlopen(f"{self.endpoint}{AWAY}").close()

    def make_bucket(self, name: str) -> None:
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name=REGION,
        )
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.close()


@contextmanager
def s3_server(port: int = 0) -> Iterator[S3Server]:
    """A running server without buckets."""
    with subprocess.Popen(
        [sys.executable, __file__, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.strip(), "the S3 server did not start"
            yield S3Server(f"http://127.0.0.1:{line.strip()}", process)
        finally:
            process.kill()


def serve(port: int) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = threading.Lock()
    requests: list[str] = []
    away: set[str] = set()

    def locked(environ, start_response):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if environ["PATH_INFO"] == REQUESTS:
            start_response("200 OK", [])
            return ["\n".join(requests).encode()]
        if environ["PATH_INFO"].startswith(AWAY):
            away.clear()
            away.update({environ["PATH_INFO"].removeprefix(AWAY)} - {""})
            start_response("200 OK", [])
            return []
        if away:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []
        with one_at_a_time:
            requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {environ.get('HTTP_RANGE', '')}")
            return app(environ, start_response)

    server = make_server("127.0.0.1", port, locked, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    serve(int(sys.argv[1]))

"""An S3 server in a process of its own: moto's, on a free port of the loopback.

Run as a program it serves until its standard input ends, and prints its port. One request at a time: moto looks whether
an object is there (`If-None-Match: *`) and writes it in two steps, which S3 does in one.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

REGION = "eu-central-1"


@dataclass(frozen=True, slots=True)
class S3Server:
    endpoint: str
    process: subprocess.Popen[str]

    @property
    def environment(self) -> dict[str, str]:
        """What AWS's clients read."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
        }

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
    """A running server, empty."""
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

    def locked(environ, start_response):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        with one_at_a_time:
            return app(environ, start_response)

    server = make_server("127.0.0.1", port, locked, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    serve(int(sys.argv[1]))

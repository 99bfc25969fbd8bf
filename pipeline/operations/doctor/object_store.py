"""The bucket of the magnetic tier, if it is in one: whether it answers."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok
from store.errors import StoreError

NAME = "bucket"
REMEDY = "check that the bucket exists, and AWS_ENDPOINT_URL, AWS_REGION and the keys in the environment"


def check_object_store(config: Config) -> Iterator[Finding]:
    """One finding, if the magnetic tier is in a bucket."""
    if "://" not in config.magnetic_url or config.magnetic_url.startswith("file://"):
        return
    from store.objects.objects import open_objects  # noqa: PLC0415  its client only where there is a bucket

    try:
        open_objects(config.magnetic_url, os.environ).get("_streamgauge/format")
    except StoreError as error:
        yield fail(NAME, str(error), REMEDY)
    else:
        yield ok(NAME, f"{config.magnetic_url} answers")

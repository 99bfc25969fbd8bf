"""The bucket of the magnetic tier, if it is in one, and the places of `buckets`: whether they can be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok
from store.errors import StoreError
from store.objects.location import S3Location, locate

NAME = "bucket"
REMEDY = "check that the bucket exists, and AWS_ENDPOINT_URL, AWS_REGION and the keys in the environment"
FOLDER_REMEDY = "let the user that runs the worker write to it, or correct buckets in the configuration"


def check_object_store(config: Config) -> Iterator[Finding]:
    """A finding for each place; none for a magnetic tier in a folder, which has checks of its own."""
    for url in (config.magnetic_url, *(bucket.url for bucket in config.buckets)):
        try:
            place = locate(url, os.environ)
            if isinstance(place, S3Location):
                yield _in_bucket(place)
            elif url != config.magnetic_url:
                yield _in_folder(place)
        except StoreError as error:
            yield fail(NAME, str(error), REMEDY)


def _in_bucket(place: S3Location) -> Finding:
    from store.objects.objects import open_at  # noqa: PLC0415  its client only where there is a bucket

    open_at(place).get("_streamgauge/format")
    return ok(NAME, f"{place.url} answers")


def _in_folder(folder: Path) -> Finding:
    """The folder is made when it is first written to, if its parent can be."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return ok(NAME, f"{folder} can be written")
    return fail(
        NAME, f"{folder} cannot be written" + ("" if there == folder else f", because of {there}"), FOLDER_REMEDY
    )

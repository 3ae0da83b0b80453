"""The bucket in which the evidence is kept: made at the first start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from evbilling.errors import TransientError


def make_bucket(evidence: Mapping[str, Any]) -> str:
    """Make the bucket of the connection `evidence` if it isn't there; returns its name, "" if it names none.

    Raises `TransientError` if the store doesn't answer or refuses.
    """
    import pyarrow.fs

    extra = evidence.get("extra") or {}
    place = urlsplit(str(extra.get("url") or ""))
    if place.scheme != "s3":
        return ""
    files = pyarrow.fs.S3FileSystem(
        access_key=evidence.get("login"),
        secret_key=evidence.get("password"),
        endpoint_override=extra.get("endpoint_url"),
        # A request can't be signed without a region, and a store of one's own doesn't care for which.
        region=extra.get("region_name") or "us-east-1",
        allow_bucket_creation=True,
        connect_timeout=10,
        request_timeout=30,
    )
    try:
        files.create_dir(place.netloc)
    except OSError as error:
        raise TransientError(
            f"can't make the bucket {place.netloc}: {error}",
            where=f"connection evidence ({extra.get('endpoint_url') or 'AWS'})",
            fix="check that the store runs, and the key of the connection",
        ) from None
    return place.netloc

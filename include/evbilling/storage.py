"""Folders of files at a local path or an object store's URL, through Arrow's file systems.

An `s3://bucket/folder` URL carries the store's other options: `s3://KEY:SECRET@bucket/folder?endpoint_url=…&region=…`,
percent-encoded. Options that it lacks come from AWS's own environment variables and files. Such a URL is a secret, so
only its `public_name` goes into messages, logs and records.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.fs

from evbilling.errors import BadInput, EvbillingError, NotReady, TransientError

# Other stores than AWS mostly ignore the region, but a request can't be signed without one.
_ANY_REGION = "us-east-1"
_CONNECT_SECONDS = 10.0
_REQUEST_SECONDS = 60.0

# The options of an s3:// URL. AWS calls the endpoint endpoint_url, Arrow endpoint_override.
_S3_OPTIONS = ("endpoint_url", "endpoint_override", "scheme", "region", "session_token", "tls_ca_file_path")

_AWS_ERROR = re.compile(r"AWS Error (?P<code>\w+)(?: \(HTTP status (?P<status>\d+)\))? during (?P<call>\w+)")
_REFUSED = {
    "ACCESS_DENIED",
    "EXPIRED_TOKEN",
    "INCOMPLETE_SIGNATURE",
    "INVALID_ACCESS_KEY_ID",
    "INVALID_CLIENT_TOKEN_ID",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "OPT_IN_REQUIRED",
    "REQUEST_EXPIRED",
    "SIGNATURE_DOES_NOT_MATCH",
    "UNRECOGNIZED_CLIENT",
}


def public_name(url: str) -> str:
    """`url` without user, password and query, for messages and logs."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


@dataclass(frozen=True, slots=True)
class StorageFolder:
    """An opened folder: Arrow's file system, the folder's path in it, and its name for messages.

    `bucket` is empty for a local folder.
    """

    files: Any
    root: str
    name: str
    bucket: str = ""

    def path(self, name: str) -> str:
        """The path of `name` in the folder."""
        return f"{self.root.rstrip('/')}/{name}"

    def require_bucket(self) -> None:
        """Raise `NotReady` if the folder's bucket doesn't exist: a store answers as if only the file were missing."""
        if not self.bucket:
            return
        try:
            found = self.files.get_file_info(self.bucket)
        except OSError as error:
            raise self.explain(error, "read") from error
        if found.type == pa.fs.FileType.NotFound:
            raise self._no_bucket()

    def explain(self, error: OSError, purpose: str) -> EvbillingError:
        """The error to raise for `error`, met when the folder was to be `purpose` ("read", "written")."""
        message = str(error).partition("\n")[0]
        found = _AWS_ERROR.search(message)
        code, status = (found["code"], found["status"]) if found else ("", "")
        if code == "NO_SUCH_BUCKET" or (self.bucket and f"Bucket '{self.bucket}' not found" in message):
            return self._no_bucket()
        if found and (code in _REFUSED or status in {"401", "403"}):
            return BadInput(
                f"the store refuses the key or the request ({code} to {found['call']})",
                where=self.name,
                fix=f"check key and secret, and that they may list, read and write the bucket {self.bucket}",
            )
        if found and status == "301":
            return BadInput(f"the bucket {self.bucket} is in another region", where=self.name, fix="give its region")
        fix = f"check that it can be {purpose}" if not self.bucket else "check that the store runs and can be reached"
        return TransientError(message, where=self.name, fix=fix)

    def _no_bucket(self) -> NotReady:
        return NotReady(
            f"there is no bucket {self.bucket}", where=self.name, fix="make it, or correct the bucket's name in the URL"
        )


def open_storage(url: str, what: str = "") -> StorageFolder:
    """The folder at a path or a `file://`, `s3://` or `gs://` URL; `what` comes first in its name. Reads nothing yet.

    Raises `BadInput` if `url` names no store.
    """
    name = f"{what} {public_name(url)}".lstrip()
    try:
        if "://" not in url:
            return StorageFolder(pa.fs.LocalFileSystem(), url, name)
        parts = urlsplit(url)
        if parts.scheme == "s3":
            return _open_s3(parts, name)
        files, root = pa.fs.FileSystem.from_uri(url)
    except (ValueError, OSError) as error:
        # An ArrowInvalid is a ValueError, too. It may quote the URL, which is secret.
        message = str(error).replace(url, public_name(url))
        raise BadInput(message, where=name, fix="give a folder or an s3:// or gs:// URL") from None
    return StorageFolder(files, root, name, bucket="" if parts.scheme == "file" else root.partition("/")[0])


def _open_s3(parts: SplitResult, name: str) -> StorageFolder:
    user, _, bucket = parts.netloc.rpartition("@")
    if not bucket:
        raise BadInput("names no bucket", where=name, fix="give it as s3://bucket/folder")
    options = _s3_options(parts.query, name)
    key, _, secret = (unquote(part) for part in user.partition(":"))
    if bool(key) != bool(secret):
        raise BadInput(
            "has half a key", where=name, fix="give access key and secret, or neither to use AWS's environment"
        )
    endpoint = (
        options.get("endpoint_url")
        or options.get("endpoint_override")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
    )
    name = f"{name} at {public_name(endpoint)}" if endpoint else name
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    files = pa.fs.S3FileSystem(
        access_key=key or None,
        secret_key=secret or None,
        session_token=options.get("session_token"),
        endpoint_override=endpoint,
        scheme=options.get("scheme"),
        region=region or (_ANY_REGION if endpoint else _region_of(bucket, name)),
        tls_ca_file_path=options.get("tls_ca_file_path"),
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        # A small file takes one request, and a file that is never written to takes none.
        allow_delayed_open=True,
    )
    return StorageFolder(files, f"{bucket}{unquote(parts.path).rstrip('/')}", name, bucket)


def _s3_options(query: str, name: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(options.keys() - set(_S3_OPTIONS)):
        raise BadInput(
            f"has options that no S3 store knows: {', '.join(unknown)}",
            where=name,
            fix=f"give at most {', '.join(_S3_OPTIONS)}",
        )
    return options


def _region_of(bucket: str, name: str) -> str:
    """The AWS region of the bucket."""
    try:
        return str(pa.fs.resolve_s3_region(bucket))
    except OSError as error:
        message = str(error).partition("\n")[0]
        if "not found" in message:
            raise NotReady(
                f"there is no bucket {bucket}", where=name, fix="correct it, or give the endpoint_url of its store"
            ) from None
        raise TransientError(
            message, where=name, fix="give the bucket's region, or the endpoint_url of its store"
        ) from None

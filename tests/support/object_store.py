"""An S3-compatible object store for tests: SeaweedFS as a process of its own, on loopback."""

from __future__ import annotations

import itertools
import json
import tempfile
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow.fs

from tests.support.programs import free_ports, program, start_server, stop_server

# With all that a URL would take for something else.
_SECRET = "s3cret+/=&?#%:@"
_READERS_SECRET = "only-l00king"

_buckets = itertools.count(1)


@dataclass(frozen=True)
class ObjectStore:
    """A running store and a key to it."""

    endpoint: str
    key: str = "EVBILLINGKEY"
    secret: str = _SECRET

    @property
    def reader(self) -> ObjectStore:
        """The same store with a key that may list and read."""
        return replace(self, key="READERSKEY", secret=_READERS_SECRET)

    def url(self, place: str) -> str:
        """The s3:// URL of `place`, a bucket or a folder in one, with all access in it."""
        login = f"{quote(self.key, safe='')}:{quote(self.secret, safe='')}"
        return f"s3://{login}@{place}?{urlencode({'endpoint_url': self.endpoint, 'region': 'eu-central-1'})}"

    def connection(self, place: str) -> dict[str, Any]:
        """The Airflow connection to `place`."""
        extra = {"url": f"s3://{place}", "endpoint_url": self.endpoint, "region_name": "eu-central-1"}
        return {"conn_type": "aws", "login": self.key, "password": self.secret, "extra": extra}

    def files(self) -> Any:
        """Arrow's view of the whole store."""
        return pyarrow.fs.S3FileSystem(
            access_key=self.key,
            secret_key=self.secret,
            endpoint_override=self.endpoint,
            region="eu-central-1",
            allow_bucket_creation=True,
        )

    def new_bucket(self) -> str:
        """The name of a bucket that was just made."""
        name = f"bucket-{next(_buckets)}"
        self.files().create_dir(name)
        return name

    def objects(self, bucket: str) -> dict[str, int]:
        """The size of each object of a bucket by its key."""
        found = self.files().get_file_info(pyarrow.fs.FileSelector(bucket, recursive=True))
        return {info.path.removeprefix(f"{bucket}/"): info.size for info in found if info.is_file}

    def read(self, path: str) -> bytes:
        """An object's bytes."""
        with self.files().open_input_stream(path, compression=None) as stream:
            return bytes(stream.read())

    def write(self, path: str, data: bytes) -> None:
        """Put an object, whatever is there."""
        with self.files().open_output_stream(path, compression=None) as stream:
            stream.write(data)


@contextmanager
def running_object_store() -> Generator[ObjectStore]:
    """A store with two keys, for as long as the block runs."""
    weed = program("weed", "run `make setup` on Linux, which brings it along (SeaweedFS)")
    names = (
        "s3.port",
        "s3.port.grpc",
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
    )
    # A folder of its own, not pytest's: the path of a socket may not be long.
    with tempfile.TemporaryDirectory(prefix="weed-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        store = ObjectStore(f"http://127.0.0.1:{ports['s3.port']}")
        (folder / "keys.json").write_text(json.dumps({"identities": _identities(store)}), encoding="utf-8")
        command = [
            weed,
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={folder}",
            "-filer",
            "-s3",
            "-s3.config=keys.json",
            *(f"-{name}={port}" for name, port in ports.items()),
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-filer.localSocket=filer.sock",
            "-s3.localSocket=s3.sock",
            # As AWS does it: an unknown bucket is refused, not made.
            "-s3.autoCreateBucket=false",
            # It tells nobody that it runs.
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=100",
        ]
        process = start_server(command, folder, lambda: _answers(f"{store.endpoint}/healthz"))
        try:
            yield store
        finally:
            stop_server(process)


def _identities(store: ObjectStore) -> list[dict[str, Any]]:
    def identity(name: str, owner: ObjectStore, *actions: str) -> dict[str, Any]:
        return {
            "name": name,
            "credentials": [{"accessKey": owner.key, "secretKey": owner.secret}],
            "actions": list(actions),
        }

    return [
        identity("billing", store, "Admin", "Read", "Write", "List"),
        identity("reader", store.reader, "Read", "List"),
    ]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # ruff: ignore[suspicious-url-open-usage]
            return True
    except OSError:
        return False

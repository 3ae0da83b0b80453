"""A folder of files, wherever it is: on this machine, in an object store (Arrow's file systems), or behind HTTP.

An HTTP folder can't be listed, so there the known names are tried.
"""

from __future__ import annotations

import io
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import url2pathname

import pyarrow.fs as arrow_fs

from evbilling.errors import BadInput, EvbillingError, TransientError
from evbilling.storage import StorageFolder, open_storage, public_name

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 60.0


class Folder(Protocol):
    """A folder of files. Network trouble is a `TransientError`."""

    @property
    def url(self) -> str:
        """The folder as the user gave it."""

    def existing(self, names: list[str]) -> list[str]:
        """Those of `names` that are files of this folder, in the order given."""

    def open(self, name: str, *, seekable: bool = False) -> IO[bytes]:
        """The file's bytes from the start, with random access if `seekable`."""


def open_folder(folder_url: str) -> Folder:
    """The folder at a local path, `file://`, `s3://`, `gs://`, `http://` or `https://` URL.

    Raises `BadInput` for another scheme, a local folder that doesn't exist or a key that is refused, `NotReady` if
    there is no such bucket, `TransientError` if a store doesn't answer.
    """
    scheme = urlsplit(folder_url).scheme if "://" in folder_url else ""
    if scheme in {"http", "https"}:
        return HttpFolder(folder_url)
    if scheme in {"", "file"}:
        path = Path(url2pathname(urlsplit(folder_url).path) if scheme else folder_url)
        if not path.is_dir():
            what = "is a file, not a folder" if path.exists() else "there is no such folder"
            raise BadInput(what, where=str(path), fix="give the folder that has the five tables' files")
        return ArrowFolder(folder_url, StorageFolder(arrow_fs.LocalFileSystem(), str(path), public_name(folder_url)))
    if scheme in {"s3", "gs", "gcs"}:
        place = open_storage(folder_url)
        place.require_bucket()
        return ArrowFolder(folder_url, place)
    raise BadInput(
        f"{scheme}:// is not a folder that can be read",
        where=public_name(folder_url),
        fix="give a local folder, or a file://, s3://, gs://, http:// or https:// URL",
    )


class GuardedFile(io.RawIOBase):
    """A file whose read errors of the given types are raised as what `explain` makes of them.

    Closing it also closes what was opened `beneath` it.
    """

    def __init__(
        self,
        file: IO[bytes],
        errors: type[Exception] | tuple[type[Exception], ...],
        explain: Callable[[Exception], EvbillingError],
        beneath: ExitStack | IO[bytes] | None = None,
    ) -> None:
        super().__init__()
        self._file = file
        self._errors = errors
        self._explain = explain
        self._beneath = beneath

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return self._file.read(-1 if size is None else size)
        except self._errors as error:
            raise self._explain(error) from error

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            if self._beneath is not None:
                self._beneath.close()
        super().close()


@dataclass(frozen=True, slots=True)
class ArrowFolder:
    """A folder in one of Arrow's file systems."""

    url: str
    place: StorageFolder

    def existing(self, names: list[str]) -> list[str]:
        try:
            infos = self.place.files.get_file_info([self.place.path(name) for name in names])
        except OSError as error:
            raise self._trouble(error, self.place.name) from error
        return [name for name, info in zip(names, infos, strict=True) if info.type == arrow_fs.FileType.File]

    def open(self, name: str, *, seekable: bool = False) -> IO[bytes]:
        path = self.place.path(name)
        try:
            file = (
                self.place.files.open_input_file(path)
                if seekable
                else self.place.files.open_input_stream(path, compression=None)
            )
        except OSError as error:
            raise self._trouble(error, path) from error
        if not self.place.bucket:
            return file  # type: ignore[no-any-return]
        return GuardedFile(file, OSError, lambda error: self.place.explain(error, "read"))  # type: ignore[arg-type,return-value]

    def _trouble(self, error: OSError, where: str) -> EvbillingError:
        if self.place.bucket and not isinstance(error, FileNotFoundError):
            return self.place.explain(error, "read")
        if isinstance(error, PermissionError | FileNotFoundError):
            return BadInput(f"can't be read: {error}", where=where, fix="check the name and who may read it")
        return TransientError(str(error), where=where, fix="check that it can be read")


@dataclass(frozen=True, slots=True)
class HttpFolder:
    """A folder behind HTTP; a query (a signature, say) is kept for every file."""

    url: str

    def existing(self, names: list[str]) -> list[str]:
        return [name for name in names if self._is_there(name)]

    def _is_there(self, name: str) -> bool:
        with ExitStack() as stack:
            return self._send("HEAD", name, stack) is not None

    def open(self, name: str, *, seekable: bool = False) -> IO[bytes]:
        where = public_name(self._file_url(name))
        with ExitStack() as stack:
            response = self._send("GET", name, stack)
            if response is None:
                raise TransientError("was there a moment ago and is gone", where=where)
            import httpx

            file = GuardedFile(
                io.BufferedReader(_Body(response)),
                httpx.HTTPError,
                lambda error: TransientError(f"the transfer broke off: {error}", where=where),
                stack.pop_all(),
            )
        if not seekable:
            return file  # type: ignore[return-value]
        with ExitStack() as stack:
            spool = stack.enter_context(tempfile.TemporaryFile())
            with file:
                shutil.copyfileobj(file, spool, 1 << 20)
            spool.seek(0)
            stack.pop_all()
        return spool

    def _file_url(self, name: str) -> str:
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}"))

    def _send(self, method: str, name: str, stack: ExitStack) -> httpx.Response | None:
        """The response, open until `stack` closes; None if there is no such file."""
        import httpx

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs URLs, and a query may be a secret
        url = self._file_url(name)
        where = public_name(url)
        try:
            response = stack.enter_context(
                httpx.stream(
                    method,
                    url,
                    headers={"Accept-Encoding": "identity"},
                    timeout=_TIMEOUT_SECONDS,
                    follow_redirects=True,
                )
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransientError(f"doesn't answer: {error}", where=where) from error
        status = response.status_code
        if response.is_success:
            return response
        if status in {404, 410}:
            return None
        if (status >= 500 and status != 501) or status in {408, 425, 429}:
            raise TransientError(f"the server answers {status}", where=where)
        if method == "HEAD":  # Some servers only refuse this method.
            return self._send("GET", name, stack)
        raise BadInput(f"the server refuses it ({status})", where=where, fix="check the URL and the access")


class _Body(io.RawIOBase):
    """The body of a response as a file; a body shorter than it was announced is an `httpx.HTTPError`."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self._chunks: Iterator[bytes] = response.iter_raw()
        self._chunk = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        self._chunk = self._chunk or next(self._chunks, b"")
        size = min(len(buffer), len(self._chunk))
        buffer[:size], self._chunk = self._chunk[:size], self._chunk[size:]
        return size

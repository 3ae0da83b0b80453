"""Where the five files lie: a local folder, an object store (Arrow's file systems), or behind HTTP.

An HTTP folder can't be listed, so there the known names are tried. The standard library's client does
HTTP: it needs nothing installed, and a cut connection is noticed by the promised length (a short CSV looks
complete).
"""

from __future__ import annotations

import http.client
import io
import shutil
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import pyarrow.fs as arrow_fs

from evbilling.errors import BadInput, EvbillingError, TransientError
from evbilling.storage import Place, open_place, public_name

_TIMEOUT = 60.0


class Folder(Protocol):
    """A folder of files. Network trouble is a `TransientError`; what isn't there is never guessed."""

    @property
    def url(self) -> str:
        """The folder as the user gave it."""

    def existing(self, names: list[str]) -> list[str]:
        """Those of `names` that are files of this folder, in the order given."""

    def open_stream(self, name: str) -> IO[bytes]:
        """The file's bytes from the start."""

    def open_seekable(self, name: str) -> IO[bytes]:
        """The file's bytes with random access."""


def open_folder(folder_url: str) -> Folder:
    """The folder at a local path, `file://`, `s3://`, `gs://`, `http://` or `https://` URL.

    Raises `BadInput` for another scheme, a local folder that doesn't exist or a key that is refused, `NotReady` if
    there is no such bucket, `TransientError` if a store is silent.
    """
    scheme = urlsplit(folder_url).scheme if "://" in folder_url else ""
    if scheme in {"http", "https"}:
        return HttpFolder(folder_url)
    if scheme in {"", "file"}:
        return _local(folder_url)
    if scheme in {"s3", "gs", "gcs"}:
        return _in_bucket(folder_url)
    raise BadInput(
        f"{scheme}:// is not a folder that can be read",
        where=public_name(folder_url),
        fix="give a local folder, or a file://, s3://, gs://, http:// or https:// URL",
    )


def _local(folder_url: str) -> ArrowFolder:
    path = Path(urllib.request.url2pathname(urlsplit(folder_url).path) if "://" in folder_url else folder_url)
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "there is no such folder"
        raise BadInput(what, where=str(path), fix="give the folder that holds the five tables' files")
    return ArrowFolder(folder_url, Place(arrow_fs.LocalFileSystem(), str(path), public_name(folder_url)))


def _in_bucket(folder_url: str) -> ArrowFolder:
    place = open_place(folder_url)
    place.require_bucket()
    return ArrowFolder(folder_url, place)


@dataclass(frozen=True, slots=True)
class ArrowFolder:
    """A folder in one of Arrow's file systems."""

    url: str
    place: Place

    def existing(self, names: list[str]) -> list[str]:
        try:
            infos = self.place.files.get_file_info([self.place.path(name) for name in names])
        except OSError as error:
            raise self._trouble(error, self.place.name) from error
        return [name for name, info in zip(names, infos, strict=True) if info.type == arrow_fs.FileType.File]

    def open_stream(self, name: str) -> IO[bytes]:
        try:
            stream = self.place.files.open_input_stream(self.place.path(name), compression=None)
        except OSError as error:
            raise self._trouble(error, self.place.path(name)) from error
        return self._watched(stream)

    def open_seekable(self, name: str) -> IO[bytes]:
        try:
            file = self.place.files.open_input_file(self.place.path(name))
        except OSError as error:
            raise self._trouble(error, self.place.path(name)) from error
        return self._watched(file)

    def _watched(self, file: IO[bytes]) -> IO[bytes]:
        return _StoredFile(file, self.place) if self.place.bucket else file  # type: ignore[return-value]

    def _trouble(self, error: OSError, where: str) -> EvbillingError:
        if self.place.bucket and not isinstance(error, FileNotFoundError):
            return self.place.trouble(error, "read")
        if isinstance(error, PermissionError | FileNotFoundError):
            return BadInput(f"can't be read: {error}", where=where, fix="check the name and who may read it")
        return TransientError(f"can't be read now: {error}", where=where)


class _StoredFile(io.RawIOBase):
    """A file in an object store; a connection that breaks while it is read is no damage of the file."""

    def __init__(self, file: IO[bytes], place: Place) -> None:
        super().__init__()
        self._file = file
        self._place = place

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
        except OSError as error:
            raise self._place.trouble(error, "read") from error

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True, slots=True)
class HttpFolder:
    """A folder behind HTTP; a query (a signature, say) is kept for every file."""

    url: str

    def _file_url(self, name: str) -> str:
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}"))

    def existing(self, names: list[str]) -> list[str]:
        return [name for name in names if self._is_there(name)]

    def _is_there(self, name: str) -> bool:
        try:
            for method in ("HEAD", "GET"):
                response = self._request(name, method)
                if response is not None:
                    response.close()
                    return True
        except FileNotFoundError:
            return False
        return False

    def open_stream(self, name: str) -> IO[bytes]:
        try:
            response = self._request(name, "GET")
        except FileNotFoundError:
            response = None
        if response is None:
            raise TransientError("was there a moment ago and is gone", where=public_name(self._file_url(name)))
        return _WholeResponse(response, self._file_url(name))  # type: ignore[return-value]

    def open_seekable(self, name: str) -> IO[bytes]:
        # Whoever reads it closes it.
        spool = tempfile.TemporaryFile()  # ruff: ignore[open-file-with-context-handler]
        try:
            with self.open_stream(name) as source:
                shutil.copyfileobj(source, spool, 1 << 20)
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return spool

    def _request(self, name: str, method: str) -> http.client.HTTPResponse | None:
        """The open response; None if the server doesn't do `method`; raises `FileNotFoundError`."""
        url = self._file_url(name)
        # Only http and https get here, see open_folder.
        request = urllib.request.Request(url, method=method)  # ruff: ignore[suspicious-url-open-usage]
        try:
            response: http.client.HTTPResponse = urllib.request.urlopen(  # ruff: ignore[suspicious-url-open-usage]
                request, timeout=_TIMEOUT
            )
        except urllib.error.HTTPError as error:
            error.close()
            self._refused(error.code, method, url)
            return None
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"doesn't answer: {error}", where=public_name(url)) from error
        return response

    @staticmethod
    def _refused(code: int, method: str, url: str) -> None:
        """Raise what `code` means, unless it only means that the server doesn't do HEAD."""
        if code in {404, 410}:
            raise FileNotFoundError(url)
        if (code >= 500 and code != 501) or code in {408, 425, 429}:
            raise TransientError(f"the server answers {code}", where=public_name(url))
        if method == "GET":
            raise BadInput(
                f"the server refuses it ({code})", where=public_name(url), fix="check the URL and the access"
            )


class _WholeResponse(io.RawIOBase):
    """A response that must be as long as it promised; http.client ends a cut one as if it were complete."""

    def __init__(self, response: http.client.HTTPResponse, url: str) -> None:
        super().__init__()
        self._response = response
        self._url = url

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            data = self._response.read(None if size is None or size < 0 else size)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"the transfer broke off: {error}", where=public_name(self._url)) from error
        if not data and size != 0 and self._response.length:
            raise TransientError(
                f"the transfer broke off {self._response.length:,} bytes before the end",
                where=public_name(self._url),
            )
        return data

    def close(self) -> None:
        self._response.close()
        super().close()

"""A byte stream that is looked at while it flows: what the quick CSV reader would swallow without a word."""

from __future__ import annotations

import io
from typing import IO


class WatchedStream(io.RawIOBase):
    """`head` followed by the rest of `source`; remembers NUL bytes and counts the quotes.

    An odd number of quotes means that some quoted field never ended, or that a quote stands in plain text;
    either is worth the careful reader's look.
    """

    def __init__(self, head: bytes, source: IO[bytes]) -> None:
        super().__init__()
        self._head = head
        self._source = source
        self._quotes = 0
        self.has_nul = False

    @property
    def is_odd(self) -> bool:
        """True if what has flowed so far needs a careful look."""
        return self.has_nul or self._quotes % 2 == 1

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if self._head:
            size = len(self._head) if size is None or size < 0 else size
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._source.read(-1 if size is None else size)
        self._quotes += data.count(b'"')
        self.has_nul = self.has_nul or b"\x00" in data
        return data

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()

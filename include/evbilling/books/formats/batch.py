"""What a format gets and what it gives: postings with their chart, and bytes. Pure."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from evbilling.books.chart import Chart, LedgerAccount
from evbilling.books.posting import Posting


@dataclass(frozen=True, slots=True)
class Batch:
    """The postings of an export in the order of their numbers, at least one; `made_at` is when it was made, in UTC."""

    period: str
    made_at: datetime
    postings: Sequence[Posting]
    chart: Chart

    def entries(self) -> Iterator[tuple[Posting, LedgerAccount, LedgerAccount]]:
        """Each posting with the accounts that are debited and credited.

        Raises `BadInput` for an account that the chart doesn't have.
        """
        known: dict[tuple[object, ...], LedgerAccount] = {}
        for one in self.postings:
            sides = []
            for name in (one.debit_account, one.credit_account):
                key = name, one.currency, one.tax_rate
                if key not in known:
                    known[key] = self.chart.account(*key)
                sides.append(known[key])
            yield one, sides[0], sides[1]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its name for people, the end of its file's name, and what makes the file."""

    label: str
    suffix: str
    media_type: str
    render: Callable[[Batch], bytes]


def plain(text: str) -> str:
    """A text on one line, without what separates fields or begins comments in a journal."""
    return "".join(" " if letter in ';,|"\\' or not letter.isprintable() else letter for letter in text)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The files as a ZIP, which doesn't say when it was made."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()

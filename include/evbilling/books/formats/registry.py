"""All formats, by the names under which they are asked for."""

from __future__ import annotations

from evbilling.books.formats.batch import Format
from evbilling.books.formats.datev import DATEV
from evbilling.books.formats.plain_text import BEANCOUNT, HLEDGER
from evbilling.books.formats.tables import CSV, QUICKBOOKS, XERO

FORMATS: dict[str, Format] = {
    "hledger": HLEDGER,
    "beancount": BEANCOUNT,
    "csv": CSV,
    "datev": DATEV,
    "xero": XERO,
    "quickbooks": QUICKBOOKS,
}

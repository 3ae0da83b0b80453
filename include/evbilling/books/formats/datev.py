"""DATEV Buchungsstapel: EXTF 700, format version 13, as DATEV's description of the format has it. Pure.

A file for each currency and month, as DATEV recommends, of at most 99,999 postings. The books' own currency, and each
that has a rate in the chart, are in files of the books' currency; any other in files of itself. Amounts have two
decimals: a currency of which one needs a third is left out, and the ZIP says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import TypeAlias

from evbilling.books.chart import Datev, LedgerAccount
from evbilling.books.formats.batch import Batch, Format, zipped
from evbilling.books.posting import Posting
from evbilling.money import as_price, decimals
from evbilling.period import Period

_Entry: TypeAlias = tuple[Posting, LedgerAccount, LedgerAccount]

_MOST = 99_999
_CENT = Decimal("0.01")


# DATEV's columns in their order. A mark before a name: it is a text, which is in quotes also where it is empty.
_MARK = "'"
_FIRST = (
    "Umsatz (ohne Soll/Haben-Kz)|'Soll/Haben-Kennzeichen|'WKZ Umsatz|Kurs|Basis-Umsatz|'WKZ Basis-Umsatz|Konto"
    "|Gegenkonto (ohne BU-Schlüssel)|'BU-Schlüssel|Belegdatum|'Belegfeld 1|'Belegfeld 2|Skonto|'Buchungstext"
    "|Postensperre|'Diverse Adressnummer|Geschäftspartnerbank|Sachverhalt|Zinssperre|'Beleglink"
)
_COSTS = (
    "'KOST1 - Kostenstelle|'KOST2 - Kostenstelle|Kost-Menge|'EU-Land u. UStID (Bestimmung)"
    "|EU-Steuersatz (Bestimmung)|'Abw. Versteuerungsart|Sachverhalt L+L|Funktionsergänzung L+L"
    "|BU 49 Hauptfunktionstyp|BU 49 Hauptfunktionsnummer|BU 49 Funktionsergänzung"
)
_LAST = (
    "Stück|Gewicht|Zahlweise|'Forderungsart|Veranlagungsjahr|Zugeordnete Fälligkeit|Skontotyp|'Auftragsnummer"
    "|'Buchungstyp|USt-Schlüssel (Anzahlungen)|'EU-Land (Anzahlungen)|Sachverhalt L+L (Anzahlungen)"
    "|EU-Steuersatz (Anzahlungen)|Erlöskonto (Anzahlungen)|'Herkunft-Kz|'Buchungs GUID|KOST-Datum"
    "|'SEPA-Mandatsreferenz|Skontosperre|'Gesellschaftername|Beteiligtennummer|'Identifikationsnummer"
    "|'Zeichnernummer|Postensperre bis|'Bezeichnung SoBil-Sachverhalt|Kennzeichen SoBil-Buchung|Festschreibung"
    "|Leistungsdatum|Datum Zuord. Steuerperiode|Fälligkeit|'Generalumkehr (GU)|Steuersatz|'Land"
    "|'Abrechnungsreferenz|BVV-Position|'EU-Land u. UStID (Ursprung)|EU-Steuersatz (Ursprung)|Abw. Skontokonto"
)
_MARKED = (
    *_FIRST.split("|"),
    *(f"'Beleginfo - {what} {number}" for number in range(1, 9) for what in ("Art", "Inhalt")),
    *_COSTS.split("|"),
    *(f"'Zusatzinformation{what} {number}" for number in range(1, 21) for what in (" - Art", "- Inhalt")),
    *_LAST.split("|"),
)
_COLUMNS = tuple(name.removeprefix(_MARK) for name in _MARKED)
_TEXTS = frozenset(name.removeprefix(_MARK) for name in _MARKED if name.startswith(_MARK))


def _datev(batch: Batch) -> bytes:
    datev = batch.chart.datev or Datev()
    entries = sorted(batch.entries(), key=lambda entry: (entry[0].currency, entry[0].booked_on, entry[0].transfer_id))
    files: dict[str, bytes] = {}
    for currency, group in groupby(entries, key=lambda entry: entry[0].currency):
        of_currency = list(group)
        if any(decimals(one.amount) > 2 for one, _, _ in of_currency):
            files[f"{currency}-is-not-in-these-files.txt"] = (
                f"DATEV's amounts have two decimals. Of {len(of_currency)} postings in {currency} some need more.\r\n"
                "None of them is in these files. The other formats of this export have them.\r\n"
            ).encode()
            continue
        for month, of_month in groupby(
            of_currency, key=lambda entry: Period(entry[0].booked_on.year, entry[0].booked_on.month)
        ):
            rows = list(of_month)
            for number, start in enumerate(range(0, len(rows), _MOST), 1):
                name = f"EXTF_evbilling_{batch.postings[0].transfer_id}_{currency}_{month}_{number}.csv"
                files[name] = _file(batch, datev, currency, month, rows[start : start + _MOST])
    return zipped(files)


def _file(batch: Batch, datev: Datev, currency: str, month: Period, entries: Sequence[_Entry]) -> bytes:
    rate = datev.rates.get(currency) if currency != datev.currency else None
    own = datev.currency if rate else currency
    lines = [_header(batch, datev, own, month), ";".join(_COLUMNS)]
    lines += [_row(entry, rate, own) for entry in entries]
    return "".join(f"{line}\r\n" for line in lines).encode("cp1252", "replace")


def _header(batch: Batch, datev: Datev, currency: str, month: Period) -> str:
    begins = date(month.year - (month.month < datev.fiscal_year_begins), datev.fiscal_year_begins, 1)
    return ";".join((
        '"EXTF"',
        "700",
        "21",
        '"Buchungsstapel"',
        "13",
        f"{batch.made_at:%Y%m%d%H%M%S}000",
        "",
        '"EV"',
        '""',
        '""',
        str(datev.consultant),
        str(datev.client),
        f"{begins:%Y%m%d}",
        str(datev.account_length),
        f"{month.first_day:%Y%m%d}",
        f"{month.last_day:%Y%m%d}",
        f'"Connector billing {month}"',
        '""',
        "1",
        "0",
        "0",
        f'"{currency}"',
        "",
        '""',
        "",
        "",
        '""',
        "",
        "",
        '""',
        '""',
    ))


def _row(entry: _Entry, rate: Decimal | None, own: str) -> str:
    one, debit, credit = entry
    # A row has one tax key: that of revenue or tax, which are credited unless a correction takes them back.
    given = {
        "Umsatz (ohne Soll/Haben-Kz)": _comma(one.amount.quantize(_CENT)),
        "Soll/Haben-Kennzeichen": "S",
        "WKZ Umsatz": one.currency,
        "Konto": debit.number,
        "Gegenkonto (ohne BU-Schlüssel)": credit.number,
        "BU-Schlüssel": credit.datev_key or debit.datev_key,
        "Belegdatum": f"{one.booked_on:%d%m}",
        "Belegfeld 1": one.document_id,
        "Buchungstext": one.words,
        "Zusatzinformation - Art 1": "Buchung",
        "Zusatzinformation- Inhalt 1": str(one.transfer_id),
        "Festschreibung": "0",
    }
    if rate:
        base = (one.amount / rate).quantize(_CENT, ROUND_HALF_UP)
        given |= {"Kurs": _comma(as_price(rate, "EUR")), "Basis-Umsatz": _comma(base)}
        given |= {"WKZ Basis-Umsatz": own}
    return ";".join(f'"{given.get(name, "")}"' if name in _TEXTS else given.get(name, "") for name in _COLUMNS)


def _comma(number: Decimal) -> str:
    return f"{number:f}".replace(".", ",")


DATEV = Format("DATEV Buchungsstapel", "datev.zip", "application/zip", _datev)

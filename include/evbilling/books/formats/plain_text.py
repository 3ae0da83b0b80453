"""Plain-text accounting: hledger and beancount, a transaction for each posting. Pure."""

from __future__ import annotations

from decimal import Decimal

from evbilling.books.formats.batch import Batch, Format, plain


def _hledger(batch: Batch) -> bytes:
    entries = list(batch.entries())
    accounts = sorted({side.name for _, *sides in entries for side in sides})
    commodities = sorted({(one.currency, one.minor_unit) for one in batch.postings})
    lines = [
        f"; evbilling: journal of {batch.period}, {len(entries)} postings",
        "decimal-mark .",
        *(f"commodity {format(Decimal(1000), f'.{unit}f')}{'' if unit else '.'} {name}" for name, unit in commodities),
        *(f"account {name}" for name in accounts),
    ]
    for one, debit, credit in entries:
        tags = [f"posting:{one.transfer_id}", f"statement:{one.statement_id}", f"account:{plain(one.account_id)}"]
        tags += [f"payment:{plain(one.payment_id)}"] if one.payment_id else []
        tags += [f"reference:{plain(one.reference)}"] if one.reference else []
        lines += [
            "",
            f"{one.booked_on} ({one.document_id}) {one.words}  ; {', '.join(tags)}",
            f"    {debit.name}  {one.amount:f} {one.currency}",
            f"    {credit.name}  {-one.amount:f} {one.currency}",
        ]
    return "\n".join([*lines, ""]).encode()


def _beancount(batch: Batch) -> bytes:
    lines = [
        f"; evbilling: journal of {batch.period}, {len(batch.postings)} postings",
        "; A file that includes several journals needs this line itself, or its accounts opened.",
        'plugin "beancount.plugins.auto_accounts"',
    ]
    for one, debit, credit in batch.entries():
        lines += [
            "",
            f'{one.booked_on} * "{one.words}" ^{one.document_id}',
            f"  posting: {one.transfer_id}",
            f'  statement: "{one.statement_id}"',
            f'  account: "{plain(one.account_id)}"',
        ]
        lines += [f'  payment: "{plain(one.payment_id)}"'] if one.payment_id else []
        lines += [f'  reference: "{plain(one.reference)}"'] if one.reference else []
        lines += [
            f"  {debit.name}  {one.amount:f} {one.currency}",
            f"  {credit.name}  {-one.amount:f} {one.currency}",
        ]
    return "\n".join([*lines, ""]).encode()


HLEDGER = Format("hledger", "journal", "text/plain; charset=utf-8", _hledger)
BEANCOUNT = Format("Beancount", "beancount", "text/plain; charset=utf-8", _beancount)

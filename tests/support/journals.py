"""Journals as other programs read them: the balances that hledger, beancount and a reader of DATEV's files compute."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import zipfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from evbilling.books import Export, stored_file
from evbilling.evidence import EvidenceStore
from tests.support.environments import python_with
from tests.support.month import rows
from tests.support.programs import program

Balances = dict[tuple[str, str], Decimal]

# By the default chart.
NAMES = {
    "receivable": "Assets:Receivable",
    "revenue": "Income:Connector-Fees",
    "tax": "Liabilities:Tax",
    "cash": "Assets:Payment-Gateway",
    "paid_outside": "Assets:Paid-Outside",
    "goodwill": "Income:Goodwill",
    "written_off": "Expenses:Written-Off",
}

_LEDGER = """
    select account, currency, sum(amount) from (
        select debit_account as account, currency, amount from finance.ledger
        union all select credit_account, currency, -amount from finance.ledger) l
    group by account, currency having sum(amount) <> 0"""

_BEANCOUNT = """
import json, sys
from beancount import loader
from beancount.core import data
entries, errors, _ = loader.load_file(sys.argv[1])
sums = {}
for entry in entries:
    for posting in entry.postings if isinstance(entry, data.Transaction) else ():
        key = f"{posting.account} {posting.units.currency}"
        sums[key] = str(__import__("decimal").Decimal(sums.get(key, 0)) + posting.units.number)
print(json.dumps({"errors": [str(error.message) for error in errors], "sums": sums}))
"""

_DATEV = """
import json, sys
from mloda.community.feature_groups.experimental.german_ledger.datev import read_batch
sums, count = {}, 0
for path in sys.argv[1:]:
    _, legs = read_batch(path)
    for account, amount in zip(legs["Konto"], legs["Betrag"]):
        sums[account] = str(__import__("decimal").Decimal(sums.get(account, 0)) + amount)
    count += len(legs["Konto"])
print(json.dumps({"legs": count, "sums": sums}))
"""


def ledger_balances(finance_url: str) -> Balances:
    """What each account of the ledger has in each currency, by its name in the books; without what comes to nothing."""
    return {(NAMES[account], currency): amount for account, currency, amount in rows(finance_url, _LEDGER)}


def hledger_balances(files: Iterable[Path]) -> Balances:
    """The balances that hledger computes from journals together, in strict mode."""
    hledger = program("hledger", "apt-get install hledger")
    command = [hledger, *(part for file in files for part in ("-f", str(file)))]
    done = subprocess.run(
        [*command, "balance", "--flat", "--no-total", "--layout=bare", "-O", "csv", "--strict"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return {
        (row["account"], row["commodity"]): Decimal(row["balance"])
        for row in csv.DictReader(io.StringIO(done.stdout))
        if Decimal(row["balance"])
    }


def beancount_balances(files: Iterable[Path], folder: Path) -> Balances:
    """The balances that beancount computes from a file that includes the journals."""
    whole = folder / "all.beancount"
    lines = ['plugin "beancount.plugins.auto_accounts"', *(f'include "{file}"' for file in files)]
    whole.write_text("\n".join(lines), encoding="utf-8")
    found = _run(python_with("beancount==3.2.3"), _BEANCOUNT, whole)
    assert found["errors"] == []
    return {tuple(key.split(" ")): Decimal(text) for key, text in found["sums"].items() if Decimal(text)}  # type: ignore[misc]


def datev_legs(files: Iterable[Path]) -> tuple[int, dict[str, Decimal]]:
    """How many sides of postings another program reads in DATEV's files, and their sums by account."""
    found = _run(python_with("mloda-community-german-ledger==0.11.0"), _DATEV, *files)
    return found["legs"], {account: Decimal(text) for account, text in found["sums"].items() if Decimal(text)}


def save(store: EvidenceStore, export: Export, format_name: str, folder: Path) -> list[Path]:
    """Write an export's file in a format into a folder, or what its ZIP has."""
    file, content = stored_file(store, export, format_name)
    if not file.name.endswith(".zip"):
        path = folder / file.name
        path.write_bytes(content)
        return [path]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [Path(archive.extract(name, folder)) for name in archive.namelist()]


def _run(python: Path, script: str, *arguments: Path) -> Any:
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

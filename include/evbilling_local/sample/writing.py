"""Puts a made-up platform into the demo database or into files, block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa

from evbilling.platform import ACCOUNT, ACCOUNT_CHARGE, APP_USER, CHARGER, CONNECTOR, TABLES, Table
from evbilling.platform.files import copy_batches, csv_bytes
from evbilling.progress import Progress
from evbilling.settings import write_settings
from evbilling.warehouse import connected
from evbilling_local.sample.accounts import Sample
from evbilling_local.sample.charges import charge_rows
from evbilling_local.sample.inventory import charger_rows, connector_rows, make_chargers
from evbilling_local.sample.load import SCHEMA, analyze, truncate
from evbilling_local.sample.people import user_rows
from evbilling_local.sample.settings import sample_settings


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """How many rows each table got, how many settings go with them, and which accounts are faulty.

    `chargers` and `connectors` count rows of history, so more than there are things; `faulty` says by account
    id what is wrong on purpose.
    """

    accounts: int
    users: int
    chargers: int
    connectors: int
    charges: int
    settings: int
    faulty: dict[str, str] = field(default_factory=dict)


def write_sample(
    database_url: str,
    accounts: int,
    seed: int,
    today: date,
    connectors_per_account: int = 100,
    progress: Progress | None = None,
) -> SampleSummary:
    """Replace the platform database's rows by a made-up platform as of `today`, in one transaction.

    Raises `BadInput` for sizes out of range, `NotReady` if the tables aren't there, `TransientError` if the
    database doesn't answer.
    """
    sample = Sample(accounts, seed, connectors_per_account)
    rows: Counter[str] = Counter()
    with connected(database_url, what="platform database") as connection:
        truncate(connection)
        for table, batches in _tables(sample, today, progress or Progress()):
            rows[table.name] += copy_batches(connection, SCHEMA, table, batches)
        analyze(connection)
    return _summary(sample, rows, len(sample_settings(accounts, seed, today, connectors_per_account)))


def write_sample_files(
    folder: Path,
    accounts: int,
    seed: int,
    today: date,
    connectors_per_account: int = 100,
    progress: Progress | None = None,
) -> SampleSummary:
    """Write the same platform as five CSV files into `folder` (made if need be), and billing_settings.csv."""
    sample = Sample(accounts, seed, connectors_per_account)
    rows: Counter[str] = Counter()
    folder.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        (folder / f"{table.name}.csv").write_text(",".join(table.column_names) + "\n", encoding="utf-8")
    for table, batches in _tables(sample, today, progress or Progress()):
        with (folder / f"{table.name}.csv").open("ab") as file:
            for batch in batches:
                file.write(csv_bytes(batch))
                rows[table.name] += batch.num_rows
    terms = sample_settings(accounts, seed, today, connectors_per_account)
    write_settings(folder / "billing_settings.csv", terms)
    return _summary(sample, rows, len(terms))


def _tables(sample: Sample, today: date, progress: Progress) -> Iterator[tuple[Table, list[pa.RecordBatch]]]:
    progress.begin("accounts", sample.accounts)
    for accounts in sample.blocks():
        chargers = make_chargers(accounts, today)
        yield ACCOUNT, [accounts.rows()]
        yield APP_USER, [user_rows(accounts)]
        yield CHARGER, [charger_rows(chargers)]
        yield CONNECTOR, [connector_rows(chargers, today)]
        yield ACCOUNT_CHARGE, charge_rows(accounts, today)
        progress.advance(len(accounts.index))


def _summary(sample: Sample, rows: Counter[str], settings: int) -> SampleSummary:
    faulty = {f"acc-{index + 1:06d}": fault for index, fault in sample.faults.items()}
    return SampleSummary(
        rows[ACCOUNT.name],
        rows[APP_USER.name],
        rows[CHARGER.name],
        rows[CONNECTOR.name],
        rows[ACCOUNT_CHARGE.name],
        settings,
        faulty,
    )

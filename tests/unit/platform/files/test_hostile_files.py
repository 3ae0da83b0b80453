"""Hostile but valid folders are read as an independent reader reads them; each folder with a fault is refused once."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from evbilling.errors import BadInput
from evbilling.platform import TABLES
from evbilling.platform.files import open_table, open_tables
from evbilling.platform.files.checks import arrow_schema
from tests.support import hostile_files
from tests.support.hostile_files import Columns


def read(folder: Path) -> dict[str, Columns]:
    """The five tables by the product; times as microseconds."""
    found = {}
    for name, file in open_tables(str(folder)).items():
        rows = pa.Table.from_batches(file.batches(), schema=arrow_schema(file.table))
        found[name] = {
            column: values.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(values.type) else values.to_pylist()
            for column, values in zip(rows.schema.names, rows.columns, strict=True)
        }
    return found


def first_difference(left: dict[str, Columns], right: dict[str, Columns]) -> Any:
    return next(
        (
            (table, column, [pair for pair in zip(values, right[table][column], strict=True) if pair[0] != pair[1]][:3])
            for table, columns in left.items()
            for column, values in columns.items()
            if values != right[table][column] and ... not in right[table][column]
        ),
        None,
    )


def test_hostile_folders_are_read_right(tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    tried, rows = 1_000 if full else 30, 0
    for seed in range(tried):
        folder = tmp_path / str(seed)
        meaning = hostile_files.write_folder(folder, Random(seed))  # ruff: ignore[suspicious-non-cryptographic-random-usage]
        found = read(folder)
        assert first_difference(found, meaning) is None, f"seed {seed}"
        assert first_difference(found, hostile_files.read_independently(folder)) is None, f"seed {seed}"
        rows += sum(len(next(iter(columns.values()))) for columns in meaning.values())
    with capsys.disabled():
        print(f"\nhostile folders: {tried} tried ({rows:,} rows), {tried} right, wrong 0")


def test_every_fault_is_one_message_that_is_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tried = 0
    for table in TABLES:
        for fault in hostile_files.faults(table):
            path = tmp_path / fault.file
            path.write_bytes(fault.content)
            with pytest.raises(BadInput) as refused:
                list(open_table(str(tmp_path), table).batches())
            path.unlink()
            message = str(refused.value)
            assert all(word in message for word in (fault.file, *fault.words)), (message, fault.words)
            tried += 1
    with capsys.disabled():
        print(f"\nfiles with a fault: {tried} tried, {tried} refused, wrong 0")

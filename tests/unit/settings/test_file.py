"""Billing settings files: read exactly, refused with every problem named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.errors import BadInput
from evbilling.period import Period
from evbilling.settings import COLUMNS, BillingTerms, read_settings, write_settings
from evbilling.settings.file import parse_settings

HEADER = ",".join(COLUMNS)
GOOD = "a,2020-01,true,u,4.50,,false,true,0.07"


def refusal(*lines: str, header: str = HEADER) -> str:
    with pytest.raises(BadInput) as caught:
        parse_settings([f"{line}\n" for line in (header, *lines)], "s.csv")
    return str(caught.value)


def test_reads_a_row() -> None:
    assert parse_settings([HEADER, GOOD], "s.csv") == [
        BillingTerms("a", Period(2020, 1), True, "u", Decimal("4.50"), None, False, True, Decimal("0.07"))
    ]


def test_an_account_without_admin_and_one_not_charged_may_be_set() -> None:
    (terms,) = parse_settings([HEADER, "a,2020-01,false,,4,9.5,false,true,0"], "s.csv")
    assert terms.financial_admin_id is None
    assert not terms.charge_connectors
    assert terms.fee_per_dc_connector == Decimal("9.5")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("account_id", "", "is empty, but is required"),
        ("account_id", " ", "is empty, but is required"),
        ("account_id", "a" * 301, "has 301 characters; an id has at most 300"),
        ("financial_admin_id", "a" * 2_669, "has 2,669 characters; an id has at most 300"),
        ("effective_from", "2020-13", "'2020-13' is not a billing period; write it as YYYY-MM"),
        ("effective_from", "2020-10-01", "is not a billing period"),
        ("charge_connectors", "yes", "'yes' is not true or false"),
        ("exclude_closed", "", "'' is not true or false"),
        ("fee_per_connector", "", "is empty, but is required"),
        ("fee_per_connector", "-1", "-1 is below zero"),
        ("fee_per_connector", "4.00001", "has more than 4 decimals"),
        ("fee_per_connector", "1000000.01", "is above 1,000,000"),
        ("fee_per_connector", "NaN", "'NaN' is not a decimal number"),
        ("fee_per_connector", "-Infinity", "'-Infinity' is not a decimal number"),
        ("fee_per_connector", "1e400", "'1e400' is not a decimal number"),
        ("fee_per_dc_connector", "nan", "'nan' is not a decimal number"),
        ("tax_rate", "inf", "'inf' is not a decimal number"),
        ("fee_per_connector", "1e1", "'1e1' is not a decimal number"),
        ("fee_per_connector", "٤", "is not a decimal number"),
        ("fee_per_dc_connector", "free", "'free' is not a decimal number"),
        ("tax_rate", "7", "7 % is written 0.07"),
        ("tax_rate", "1", "is not a fraction below 1"),
        ("tax_rate", "-0.1", "is below zero"),
        ("tax_rate", "0.0000001", "has more than 6 decimals"),
        ("tax_rate", "7%", "'7%' is not a decimal number"),
    ],
)
def test_refuses_a_value(column: str, value: str, reason: str) -> None:
    fields = GOOD.split(",")
    fields[COLUMNS.index(column)] = value
    message = refusal(GOOD, ",".join(fields).replace("2020-01", "2020-02"))
    assert f"s.csv, line 3, column {column}: " in message
    assert reason in message


def test_all_problems_are_said_at_once() -> None:
    message = refusal("a,x,TRUE,u,y,,false,true,7", "b,2020-01")
    assert message.startswith("5 problems")
    assert "line 3: has 2 fields where the header has 9" in message


def test_setting_an_account_twice_names_both_lines() -> None:
    assert "a from 2020-01 is set twice in this file, on lines 2 and 4" in refusal(GOOD, "", GOOD)


def test_header_and_quotes() -> None:
    assert "is empty: not even a header" in refusal(header="")
    assert "line 1, column tax_rate: is missing" in refusal(header=HEADER.replace("tax_rate", "tax"))
    assert "line 1, column 'tax': is not a column" in refusal(header=HEADER.replace("tax_rate", "tax"))
    assert "broken quote" in refusal(GOOD.replace("u", '"u'))


def test_a_file_that_cant_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_settings(tmp_path / "none.csv")
    (tmp_path / "s.csv").write_bytes(f"{HEADER}\n".encode() + b"\xff")
    with pytest.raises(BadInput, match="line 2 is not UTF-8"):
        read_settings(tmp_path / "s.csv")


FEES = st.decimals(min_value=0, max_value=1_000_000, places=4)
IDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(str.strip)
TERMS = st.builds(
    BillingTerms,
    account_id=IDS,
    effective_from=st.builds(Period, st.integers(1900, 9999), st.integers(1, 12)),
    charge_connectors=st.booleans(),
    financial_admin_id=st.none() | IDS,
    fee_per_connector=FEES,
    fee_per_dc_connector=st.none() | FEES,
    exclude_closed=st.booleans(),
    exclude_private=st.booleans(),
    tax_rate=st.decimals(min_value=0, max_value=Decimal("0.999999"), places=6),
)


@given(st.lists(TERMS, max_size=5, unique_by=lambda terms: (terms.account_id, terms.effective_from)))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, terms: list[BillingTerms]) -> None:
    path = tmp_path_factory.mktemp("settings") / "s.csv"
    write_settings(path, terms)
    assert read_settings(path) == terms

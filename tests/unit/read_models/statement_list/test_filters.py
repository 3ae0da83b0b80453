"""What a list of statements is filtered and sorted by comes back from its address; what can't be is told by field."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.errors import BadInput
from evbilling.money import from_minor
from evbilling.period import Period
from evbilling.read_models.statement_list.filters import SORTS, STATUSES, TYPE_LABELS, Place, Sort, StatementFilter
from evbilling.read_models.statement_list.queries import id_ranges

PERIODS = st.builds(Period, st.integers(1900, 9999), st.integers(1, 12))
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=300).map(str.strip)
IDS = st.from_regex(r"[ASC](-([0-9]{0,5}|[0-9]{6}(-[0-9]{0,10})?))?", fullmatch=True)


def some(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """Any of the values, in their order."""
    return st.sets(st.sampled_from(values)).map(lambda chosen: tuple(v for v in values if v in chosen))


FILTERS = st.builds(
    StatementFilter,
    kinds=some(list(TYPE_LABELS)),
    statuses=some(list(STATUSES.values())),
    period=st.none() | PERIODS,
    account=TEXT,
    search=st.just("") | IDS,
    currency=st.none() | st.sampled_from(["EUR", "JPY", "KWD"]),
)
VALUES: dict[type, st.SearchStrategy[object]] = {
    str: TEXT,
    int: st.integers(-(2**31) + 1, 2**31 - 1),
    # Whatever a column of minor units can hold, in a currency of so many decimals.
    Decimal: st.builds(from_minor, st.integers(-(2**63), 2**63 - 1), st.integers(0, 4)),
}
SORTED = st.builds(Sort, st.sampled_from(list(SORTS)), st.booleans())


def parsed(query: str, latest: Period | None = None) -> StatementFilter:
    """The filter that a query string says."""
    return StatementFilter.parse(parse_qsl(query, keep_blank_values=True), latest)


@given(FILTERS, PERIODS)
def test_an_address_says_the_filter_whatever_month_it_is(wanted: StatementFilter, latest: Period) -> None:
    """A link that is shared shows the same, later too. An id that names its month wins over the month."""
    right = replace(wanted, period=None) if len(wanted.search) >= len("A-202611") else wanted
    assert parsed(f"{wanted.query()}&sort=-total", latest) == right


def test_without_a_period_it_is_the_latest() -> None:
    """But an id is looked for in all of them, and so is what asks for all."""
    latest = Period(2026, 11)
    assert parsed("", latest).period == latest
    assert parsed("period=", latest).period == latest
    assert parsed("period=all", latest).period is None
    assert parsed("id=A-202610-000001", latest) == StatementFilter(search="A-202610-000001")
    assert parsed("", None).period is None


def test_what_people_type_is_understood() -> None:
    """Blanks around it, small letters, labels instead of the address's words, the same thing twice."""
    wanted = parsed("type=Account+Chargers&type=connector&status=Paid&status=paid-manually&id=+a-2026+&currency=eur")
    assert wanted == StatementFilter(("connector",), ("Paid", "Paid manually"), None, "", "A-2026", "EUR")
    assert parsed("account=++Acme++").account == "Acme"
    assert parsed("account=a&account=b").account == "b"


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("type=connectors", "type", "give one of connector, account, correction"),
        ("status=Unpaid", "status", "give one of issued, billing-failure,"),
        ("period=2026-13", "period", "2026-11, or all"),
        ("period=november", "period", "'november' is not a billing period"),
        ("id=B-202611", "id", "ids look like A-202611-000042"),
        ("id=A-202611-00x", "id", "no statement's id begins with"),
        ("id=%25", "id", "no statement's id begins with"),
        ("currency=EURO", "currency", "such as EUR"),
        ("account=a%00b", "account", "not valid text"),
        (f"account={'x' * 301}", "account", "longer than 300"),
    ],
)
def test_a_bad_value_is_told_with_its_field(query: str, field: str, says: str) -> None:
    """So that the page can say it beside the field, with what it can be."""
    with pytest.raises(BadInput) as told:
        parsed(query)
    assert told.value.where == field
    assert says in str(told.value)


@given(st.lists(st.tuples(st.sampled_from(["type", "status", "period", "account", "id", "currency"]), st.text())))
def test_any_address_is_read_or_told(pairs: list[tuple[str, str]]) -> None:
    """Nothing else comes of it, whatever somebody puts into it, and what is read can be printed."""
    wrong = None
    try:
        wanted = StatementFilter.parse(pairs)
    except BadInput as told:
        wrong = told
    if wrong is None:
        assert parsed(wanted.query()) == wanted
    else:
        assert wrong.where in {"type", "status", "period", "account", "id", "currency"}
        assert wrong.fix


@given(SORTED)
def test_a_way_of_sorting_comes_back(sort: Sort) -> None:
    """`-total` is the other way round than `total`."""
    assert Sort.parse(str(sort)) == sort


@pytest.mark.parametrize("text", ["paid", "--total", "total desc", "statement_id; drop table"])
def test_nothing_else_can_be_sorted_by(text: str) -> None:
    """And the error names what can."""
    with pytest.raises(BadInput, match="statement, period, account, connectors, total, balance"):
        Sort.parse(text)


@given(SORTED, st.data())
def test_a_place_comes_back_for_its_own_way_of_sorting(sort: Sort, data: st.DataObject) -> None:
    """For another one, or the other way round, it is no place."""
    values = tuple(data.draw(VALUES[kind]) for kind in sort.types)
    place = Place(data.draw(st.sampled_from([0, 1])), values, "A-202611-000001")
    assert Place.parse(place.token(sort), sort) == place
    with pytest.raises(BadInput, match="begin at the first page"):
        Place.parse(place.token(sort), Sort(sort.by, not sort.descending))


@given(st.text() | st.binary().map(lambda b: b.hex()), SORTED)
def test_what_is_no_place_is_told(token: str, sort: Sort) -> None:
    """Whatever somebody puts into the address."""
    with pytest.raises(BadInput) as told:
        Place.parse(token, sort)
    assert told.value.where == "after"


STATEMENT_IDS = st.builds(
    lambda kind, period, number: f"{kind}-{period.replace('-', '')}-{number:06d}",
    st.sampled_from("ASC"),
    PERIODS.map(str),
    st.integers(1, 10**10),
)
KINDS = {"A": "connector", "S": "account", "C": "correction"}


@given(st.data(), STATEMENT_IDS, st.none() | PERIODS)
def test_a_range_holds_the_ids_that_begin_so_and_no_other(
    data: st.DataObject, statement_id: str, period: Period | None
) -> None:
    """By what was typed and by the period: neither too many nor too few."""
    typed = data.draw(st.just("") | IDS | st.integers(1, len(statement_id)).map(lambda n: statement_id[:n]))
    wanted = StatementFilter(search=typed, period=period)
    low, high = id_ranges(wanted).get(KINDS[statement_id[0]], ("", ""))
    in_period = period is None or statement_id[2:8] == str(period).replace("-", "")
    assert (low <= statement_id < high) == (statement_id.startswith(typed) and in_period)

"""The billing month: its only written form, its arithmetic, and the instant at which connectors are counted."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling.errors import BadInput
from evbilling.period import Period, is_time_zone

periods = st.builds(Period, st.integers(1900, 9998), st.integers(1, 12))
ZONES = [
    "Pacific/Auckland",
    "Pacific/Honolulu",
    "Pacific/Kiritimati",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Africa/Cairo",
    "America/Asuncion",
    "Atlantic/Azores",
    "UTC",
]


@given(periods)
def test_a_period_is_read_back_from_what_it_prints(period: Period) -> None:
    """Printing and parsing are inverse, and the printed form is YYYY-MM."""
    assert Period.parse(str(period)) == period
    assert re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", str(period))


@pytest.mark.parametrize(
    "bad",
    [
        "2026-13",
        "2026-00",
        "2026-1",
        "2026-11-01",
        "26-11",
        "2026/11",
        "202611",
        " 2026-11",
        "2026-11\n",
        "1899-12",
        "",
        None,
        202611,
        date(2026, 11, 1),
        "now",
        "-026-11",
        "2026-1a",
    ],
)
def test_anything_but_year_and_month_is_refused_with_the_form_to_use(bad: object) -> None:
    """A bad period is named in the message, which shows a good one."""
    with pytest.raises(BadInput, match="YYYY-MM") as refused:
        Period.parse(bad)
    assert repr(bad) in str(refused.value)


@given(st.text(alphabet="0123456789-", max_size=9))
def test_only_the_form_of_a_month_is_taken(text: str) -> None:
    """Of all texts of digits and dashes just those of a real month from 1900 on are periods."""
    is_month = re.fullmatch(r"(19|[2-9][0-9])[0-9]{2}-(0[1-9]|1[0-2])", text)
    if is_month:
        assert str(Period.parse(text)) == text
    else:
        with pytest.raises(BadInput):
            Period.parse(text)


@given(periods, st.integers(-1000, 1000))
def test_shifting_moves_by_whole_months_and_back(period: Period, months: int) -> None:
    """A shift and its inverse cancel out, and the distance in months is just what was asked for."""
    shifted = period.shifted(months)
    assert shifted.shifted(-months) == period
    assert (shifted.year - period.year) * 12 + shifted.month - period.month == months


@given(periods, periods)
def test_periods_sort_in_time_as_their_texts_do(one: Period, other: Period) -> None:
    """Order of periods, of their first days and of their texts is the same."""
    assert (one < other) == (one.first_day < other.first_day) == (str(one) < str(other))


@given(st.builds(Period, st.integers(1970, 2037), st.integers(1, 12)), st.sampled_from(ZONES))
def test_the_count_instant_is_the_first_moment_of_the_1st(period: Period, zone: str) -> None:
    """At the count instant it is the 1st by the account's own clock, a microsecond before it isn't yet."""
    instant = period.count_instant(zone)
    assert instant.tzinfo is UTC
    assert instant.astimezone(ZoneInfo(zone)).date() == period.first_day
    assert (instant - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < period.first_day


@pytest.mark.parametrize(
    ("period", "zone", "instant"),
    [
        ("2026-11", "Pacific/Auckland", datetime(2026, 10, 31, 11, tzinfo=UTC)),  # summer time there
        ("2026-06", "Pacific/Auckland", datetime(2026, 5, 31, 12, tzinfo=UTC)),
        ("2026-11", "Pacific/Honolulu", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11", "Pacific/Kiritimati", datetime(2026, 10, 31, 10, tzinfo=UTC)),
        ("2026-11", "America/New_York", datetime(2026, 11, 1, 4, tzinfo=UTC)),  # clocks go back later that day
        ("2026-11", "Asia/Kathmandu", datetime(2026, 10, 31, 18, 15, tzinfo=UTC)),
        ("2017-10", "America/Asuncion", datetime(2017, 10, 1, 4, tzinfo=UTC)),  # 00:00 to 01:00 is skipped
        ("2012-04", "America/Havana", datetime(2012, 4, 1, 5, tzinfo=UTC)),  # 00:00 to 01:00 is skipped
        ("2015-11", "America/Havana", datetime(2015, 11, 1, 4, tzinfo=UTC)),  # 00:00 comes once, 00:30 twice
    ],
)
def test_known_count_instants(period: str, zone: str, instant: datetime) -> None:
    """Count instants known by hand, among them days whose midnight the clocks skip."""
    assert Period.parse(period).count_instant(zone) == instant


@pytest.mark.parametrize("zone", ["US/Pacific", "Asia/Calcutta", "EST5EDT", "Etc/GMT+5", "UTC", "CET"])
def test_an_older_name_of_a_zone_counts_on_every_machine(zone: str) -> None:
    """Links of the database are in its package, also where the machine's own folder lacks them."""
    assert is_time_zone(zone)
    assert Period(2026, 11).count_instant(zone).tzinfo is UTC


@pytest.mark.parametrize(
    "zone",
    [
        *("Mars/Olympus", "", "europe/berlin", "+02:00", "../etc/passwd", None, "Europe/Berlin ", " UTC", "utc"),
        # Names of files and folders beside the database's zones, which differ from machine to machine.
        *("localtime", "posixrules", "Factory", "right/Europe/Berlin", "posix/Europe/Berlin", "Europe", "zone1970.tab"),
    ],
)
def test_a_zone_that_is_not_iana_s_is_refused_by_name(zone: object) -> None:
    """An unknown zone, or a known one spelt otherwise, is no time zone."""
    assert not is_time_zone(zone)
    with pytest.raises(BadInput, match="is not an IANA time zone"):
        Period(2026, 11).count_instant(zone)  # type: ignore[arg-type]

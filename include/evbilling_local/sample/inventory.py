"""Made-up chargers and connectors with their history: openings, removals, scope changes and moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform import CHARGER, CONNECTOR, SCOPE_STATUSES
from evbilling_local.sample.accounts import UNKNOWN_SCOPE, Accounts, Topic, padded
from evbilling_local.sample.draws import Draws, Flags, Ints, members
from evbilling_local.sample.places import PLACES, SITES

DAY = 86_400
HISTORY_DAYS = 1_200
_STAYS, _RESCOPED, _REMOVED, _MOVED = range(4)
_ALWAYS, _PLANNED_FIRST, _TAKEN_OUT, _STILL_PLANNED = range(4)
# No end yet.
_OPEN = np.int64(-(2**62))


@dataclass(frozen=True, slots=True)
class Chargers:
    """The chargers of a block, one element each; times in seconds since 1970; `fate` strikes at `event`."""

    accounts: Accounts
    account: Ints
    ordinal: Ints
    opened: Ints
    scope: Ints
    fate: Ints
    event: Ints
    new_scope: Ints
    new_account: Ints
    is_dc: Flags
    has_station_row: Flags
    outlets: Ints
    ids: pa.Array

    @property
    def ended(self) -> Ints:
        """When the charger was taken away, or `_OPEN`."""
        return np.where(self.fate == _REMOVED, self.event, _OPEN)


def make_chargers(accounts: Accounts, today: date) -> Chargers:
    """The chargers of a block: about two connectors each, opened evenly over the last 1,200 days."""
    draws = accounts.draws(Topic.INVENTORY)
    per_account = np.maximum(1, (accounts.size + 1) // 2)
    account, ordinal = members(per_account)
    count = len(account)
    midnight = seconds(today)
    age = DAY + np.floor(draws.spread(count) * ((HISTORY_DAYS - 1) * DAY)).astype(np.int64)
    opened = (midnight - age) // 60 * 60
    scope = draws.pick((60, 30, 10), count)
    new_account = (account + 1 + draws.below(max(1, len(accounts) - 1), count)) % len(accounts)
    fate = _fates(draws, accounts, account, new_account, midnight - opened)
    event = opened + 30 * DAY + draws.below(np.maximum(1, (midnight - opened) // 60 - 31 * 1440), count) * 60
    return Chargers(
        accounts,
        account,
        ordinal,
        opened,
        scope,
        fate,
        event,
        (scope + 1 + draws.below(2, count)) % 3,
        new_account,
        draws.below(100, count) < 25,
        draws.below(100, count) < 30,
        1 + draws.pick((3, 5, 1, 1), count),
        _charger_ids(accounts, account, ordinal),
    )


def _fates(draws: Draws, accounts: Accounts, account: Ints, new_account: Ints, age: Ints) -> Ints:
    fate = draws.pick((850, 70, 40, 40), len(account))
    # A faulty account keeps its chargers, and gets none: its fault must not spread to a good one.
    faulty = accounts.any_fault
    fixed = (age < 60 * DAY) | faulty[account]
    stuck = (fate == _MOVED) & (faulty[new_account] | (new_account == account))
    return np.where(fixed | stuck, _STAYS, fate)


def _charger_ids(accounts: Accounts, account: Ints, ordinal: Ints) -> pa.Array:
    countries = pa.array([place.country for place in accounts.places()])
    at = pa.array(account)
    return pc.binary_join_element_wise(
        pc.take(countries, at), pc.take(accounts.numbers(), at), padded(ordinal + 1, 5), "-"
    )


def charger_rows(chargers: Chargers) -> pa.RecordBatch:
    """The rows of the platform table `charger`, in contract types: one for each state a charger was in."""
    changed = np.flatnonzero((chargers.fate == _RESCOPED) | (chargers.fate == _MOVED))
    doubled = _overlapping(chargers)
    of = np.concatenate([np.arange(len(chargers.account)), changed, doubled])
    later = np.concatenate([
        np.zeros(len(chargers.account), bool),
        np.ones(len(changed) + len(doubled), bool),
    ])
    fate = chargers.fate[of]
    account = np.where(later & (fate == _MOVED), chargers.new_account[of], chargers.account[of])
    scope = np.where(later & (fate == _RESCOPED), chargers.new_scope[of], chargers.scope[of])
    start = np.where(later, chargers.event[of], chargers.opened[of])
    start[len(start) - len(doubled) :] = chargers.opened[doubled] + 60
    end = np.where(~later & (fate != _STAYS), chargers.event[of], _OPEN)
    order = np.lexsort((start, of))
    of = of[order]
    site, name = _site_names(chargers, of)
    return pa.record_batch(
        [
            pc.take(chargers.ids, pa.array(of)),
            pc.take(chargers.accounts.ids(), pa.array(account[order])),
            name,
            site,
            _scopes(chargers, of, scope[order]),
            instants(start[order]),
            instants(end[order]),
        ],
        names=list(CHARGER.column_names),
    )


def _overlapping(chargers: Chargers) -> Ints:
    """The first charger of the account whose history overlaps."""
    faulty = chargers.accounts.is_faulty("overlapping history")[chargers.account]
    return np.flatnonzero(faulty & (chargers.ordinal == 0))


def _scopes(chargers: Chargers, of: Ints, scope: Ints) -> pa.Array:
    faulty = chargers.accounts.is_faulty("unknown scope status")[chargers.account[of]]
    code = np.where(faulty & (chargers.ordinal[of] == 0), len(SCOPE_STATUSES), scope)
    return pc.take(pa.array([*SCOPE_STATUSES, UNKNOWN_SCOPE]), pa.array(code))


def _site_names(chargers: Chargers, of: Ints) -> tuple[pa.Array, pa.Array]:
    """A site for every eight chargers of an account, and the charger's name there."""
    cities = pa.array([city for place in PLACES for city in place.cities])
    site_no = chargers.ordinal[of] // 8
    place = chargers.accounts.place[chargers.account[of]]
    city = pc.take(cities, pa.array(place * 3 + site_no % 3))
    kind = pc.take(pa.array(SITES), pa.array((site_no + chargers.account[of]) % len(SITES)))
    site = pc.binary_join_element_wise(city, kind, pa.array(site_no + 1).cast(pa.string()), " ")
    name = pc.binary_join_element_wise(site, pa.array(chargers.ordinal[of] % 8 + 1).cast(pa.string()), " / ")
    return site, name


def connector_rows(chargers: Chargers, today: date) -> pa.RecordBatch:
    """The rows of the platform table `connector`, in contract types: one for each state one was in."""
    draws = Draws(chargers.accounts.sample.seed, int(Topic.INVENTORY), int(chargers.accounts.index[0]), 1)
    first = np.where(chargers.has_station_row, 0, 1)
    per_charger = chargers.outlets + 1 - first
    of, number = members(per_charger)
    number += first[of]
    fate = draws.pick((860, 80, 40, 20), len(of))
    age = seconds(today) - chargers.opened[of]
    plain = (number == 0) | (chargers.fate[of] == _REMOVED) | (age < 100 * DAY)
    fate = np.where(plain, _ALWAYS, fate)
    after = np.where(fate == _PLANNED_FIRST, 20 + draws.below(40, len(of)), 90) * DAY
    change = chargers.opened[of] + after + np.where(fate == _TAKEN_OUT, (age - 95 * DAY) // 2, 0)
    changed = np.flatnonzero((fate == _PLANNED_FIRST) | (fate == _TAKEN_OUT))
    row = np.concatenate([np.arange(len(of)), changed])
    later = np.concatenate([np.zeros(len(of), bool), np.ones(len(changed), bool)])
    order = np.lexsort((later, row))
    row, later = row[order], later[order]
    of, number, fate, change = of[row], number[row], fate[row], change[row]
    is_changed = (fate == _PLANNED_FIRST) | (fate == _TAKEN_OUT)
    planned = (fate == _STILL_PLANNED) | ((fate == _PLANNED_FIRST) & ~later)
    status = np.where(planned, 1, np.where((fate == _TAKEN_OUT) & later, 2, 0))
    start = np.where(later, change, chargers.opened[of])
    end = np.where(is_changed & ~later, change, chargers.ended[of])
    return pa.record_batch(
        [
            pc.take(chargers.ids, pa.array(of)),
            pa.array(number.astype(np.int32)),
            _standards(chargers, of, number),
            pc.if_else(pa.array(chargers.is_dc[of]), "DC", "AC"),
            pc.take(pa.array(["in_service", "planned", "removed"]), pa.array(status)),
            instants(start),
            instants(end),
        ],
        names=list(CONNECTOR.column_names),
    )


def _standards(chargers: Chargers, of: Ints, number: Ints) -> pa.Array:
    standards = pa.array([
        "IEC_62196_T2",
        "IEC_62196_T2_COMBO",
        "IEC_62196_T1",
        "IEC_62196_T1_COMBO",
        "CHADEMO",
        None,
    ])
    type_1 = np.array([place.is_type_1 for place in PLACES])[chargers.accounts.place[chargers.account[of]]]
    code = type_1 * 2 + chargers.is_dc[of]
    code = np.where(chargers.is_dc[of] & (number % 3 == 2), 4, code)
    return pc.take(standards, pa.array(np.where(number == 0, 5, code)))


def seconds(day: date) -> int:
    """00:00 UTC of `day`, in seconds since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def instants(times: Ints) -> pa.Array:
    """Seconds since 1970 as timestamp('us', 'UTC'); `_OPEN` as null."""
    missing = times == _OPEN
    return pa.array(np.where(missing, 0, times) * 1_000_000, type=pa.timestamp("us", "UTC"), mask=missing)

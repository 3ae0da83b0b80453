"""Composes the queries of the list of statements from their files. Pure: no connection is needed.

Every value is a literal, so that Postgres plans for it and leaves out partitions that can't contain it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from evbilling.read_models.statement_list.filters import LETTERS, STATUSES, Place, Sort, StatementFilter
from evbilling.warehouse import compose

# The number of statements, by kind and status.
Counts = Mapping[tuple[str, str], int]
# This many are fetched and sorted in an instant.
_FEW = 20_000

# Sort keys, in the form in which an index has them: of standings (connector statements), of the other statements,
# and of statements (s) joined with standings (l). None: these statements have no such value, and come last.
_CONNECTOR_KEYS: dict[str, tuple[str, ...]] = {
    "statement": (),
    "period": ("billing.period_of(s.statement_id)",),
    "account": ("s.account_key",),
    "connectors": ("s.connectors",),
    "total": ("billing.major(s.total_minor, s.minor_unit)",),
    "balance": ("billing.major(s.balance_minor, s.minor_unit)",),
}
_ACCOUNT_KEY = 'billing.account_key(s.account_name, s.account_id) collate "C"'
_OTHER_KEYS: dict[str, tuple[str, ...] | None] = {
    "statement": (),
    "period": ("billing.period_of(s.statement_id)",),
    "account": (_ACCOUNT_KEY,),
    "connectors": None,
    "total": ("billing.major(s.total_minor, s.minor_unit)",),
    "balance": None,
}
_NOTHING: dict[str, tuple[str, ...]] = {"connectors": ("0",), "balance": ("0::numeric",)}
_JOINED_KEYS: dict[str, tuple[str, ...]] = {
    **{by: keys for by, keys in _OTHER_KEYS.items() if keys is not None},
    "connectors": ("coalesce(l.connectors, 0)",),
    "balance": ("billing.major(coalesce(l.balance_minor, 0), s.minor_unit)",),
}


def composed(name: str, **params: object) -> Composed:
    """The query `name` of the list with its parts and values filled in."""
    return compose(f"read_models/statement_list/{name}", **params)


# Conditions ----------------------------------------------------------------------------------------------------------


def id_ranges(wanted: StatementFilter) -> dict[str, tuple[str, str]]:
    """The id ranges [from, before) of the filter's statements by kind: ids begin with kind and period."""
    found = {}
    for kind, letter in LETTERS.items():
        if wanted.kinds and kind not in wanted.kinds:
            continue
        low, high = _starting(letter)
        starts = [f"{letter}-{str(wanted.period).replace('-', '')}-"] if wanted.period else []
        starts += [wanted.search] if wanted.search else []
        for start in starts:
            low, high = max(low, _starting(start)[0]), min(high, _starting(start)[1])
        if low < high:
            found[kind] = (low, high)
    return found


def _starting(start: str) -> tuple[str, str]:
    """The range of ids that begin with `start`. Its bounds use only characters that every collation sorts alike."""
    letter, *numbers = start.rstrip("-").split("-")
    while numbers:
        following = str(int(numbers[-1]) + 1) if numbers[-1] else ""
        if following and len(following.zfill(len(numbers[-1]))) == len(numbers[-1]):
            return start, "-".join([letter, *numbers[:-1], following.zfill(len(numbers[-1]))])
        numbers.pop()
    return start, chr(ord(letter) + 1)


def _in_range(table: str, low: str, high: str) -> Composed:
    column = Identifier(table, "statement_id")
    return SQL("{0} >= {1} and {0} < {2}").format(column, Literal(low), Literal(high))


def _joined(wanted: StatementFilter, accounts: Sequence[str] | None) -> dict[str, Composable]:
    """The conditions of statements `s` joined with standings `l`, and the range of standings to read."""
    ranges = id_ranges(wanted)
    either = SQL(" or ").join(SQL("({})").format(_in_range("s", *bounds)) for bounds in ranges.values())
    conditions: list[Composable] = [SQL("({})").format(either) if ranges else SQL("false")]
    if wanted.period:
        conditions.append(SQL("s.period = {}").format(Literal(str(wanted.period))))
    if wanted.currency:
        conditions.append(SQL("s.currency = {}").format(Literal(wanted.currency)))
    if wanted.statuses:
        statuses = Literal(list(wanted.statuses))
        conditions.append(SQL("coalesce(l.status, 'Issued') = any({}::billing.statement_status[])").format(statuses))
    if accounts is not None:
        conditions.append(SQL("s.account_id = any({}::text[])").format(Literal(list(accounts))))
    standings = _in_range("l", *ranges["connector"]) if "connector" in ranges else SQL("false")
    return {"conditions": _all(conditions), "standings": standings}


def _all(conditions: Sequence[Composable]) -> Composed:
    return SQL(" and ").join(conditions) if conditions else SQL("true").format()


# Order ---------------------------------------------------------------------------------------------------------------


def _direction(sort: Sort, *, forward: bool) -> str:
    return "asc" if forward != sort.descending else "desc"


def page_order(sort: Sort, *, forward: bool) -> Composable:
    """The order of a page's rows; reversed if not `forward`."""
    return SQL(f"rank {'asc' if forward else 'desc'}, {_order(sort, len(sort.types), forward=forward)}")


def _order(sort: Sort, keys: int, *, forward: bool) -> str:
    names = [*(f"k{number}" for number in range(1, keys + 1)), "statement_id"]
    return ", ".join(f"{name} {_direction(sort, forward=forward)}" for name in names)


def _beyond(keys: Sequence[str], place: Place, sort: Sort, *, forward: bool) -> Composed:
    """Rows that come after the place, among those of its rank."""
    columns = SQL(", ").join(map(SQL, [*keys, "s.statement_id"]))
    values = SQL(", ").join(map(Literal, [*place.values[: len(keys)], place.statement_id]))
    comparison = SQL(">" if _direction(sort, forward=forward) == "asc" else "<")
    return SQL("({}) {} ({})").format(columns, comparison, values)


# Queries -------------------------------------------------------------------------------------------------------------


def page_branches(
    wanted: StatementFilter,
    sort: Sort,
    counts: Counts,
    place: Place | None,
    *,
    forward: bool,
    limit: int,
) -> Composed | None:
    """The branches from whose union the page takes the first rows; None if nothing can match.

    `counts`: the number of statements by kind and status, of the filter's period and currency.
    """
    branches: list[Composed] = []
    for kind, (low, high) in id_ranges(wanted).items():
        is_connector = kind == "connector"
        keys = (_CONNECTOR_KEYS if is_connector else _OTHER_KEYS)[sort.by]
        rank = 0 if keys is not None else 1
        conditions: list[Composable] = [_in_range("s", low, high)]
        if not is_connector:
            conditions.append(SQL("s.kind = {}").format(Literal(kind)))
        if wanted.currency:
            conditions.append(SQL("s.currency = {}").format(Literal(wanted.currency)))
        if place and place.rank == rank:
            conditions.append(_place_condition(kind, keys or (), place, sort, forward=forward))
        elif place and (place.rank > rank) == forward:
            continue
        named = [f"{key} as k{n}, " for n, key in enumerate(keys if keys is not None else _NOTHING[sort.by], 1)]
        by_index = 0 if sort.by == "period" else len(keys or ())
        for status, count in _statuses(kind, wanted, sort, counts).items():
            more = [SQL("s.status = {}").format(Literal(status))] if is_connector and status else []
            is_few = wanted.currency and count <= _FEW
            branches.append(
                composed(
                    "branch_of_few" if is_few else "branch",
                    rank=rank,
                    keys=SQL("".join(named)),
                    source=SQL("billing.standing" if is_connector else "billing.statement"),
                    conditions=_all([*conditions, *more]),
                    order=SQL(_order(sort, by_index, forward=forward)),
                    limit=limit,
                )
            )
    return _union(branches)


def _statuses(kind: str, wanted: StatementFilter, sort: Sort, counts: Counts) -> dict[str, int]:
    """The statuses with a branch each, and their number of statements; "": one branch for all."""
    found = {
        status: counts[kind, status] for status in (wanted.statuses or STATUSES.values()) if (kind, status) in counts
    }
    # An index has one status after the other, each in every order; all together only in that of their ids.
    if found and not wanted.statuses and sort.by in {"statement", "period"}:
        return {"": sum(found.values())}
    return found


def _place_condition(kind: str, keys: Sequence[str], place: Place, sort: Sort, *, forward: bool) -> Composed:
    if sort.by != "period":
        return _beyond(keys, place, sort, forward=forward)
    # Sorted by period, a kind's statements are in the order of their ids, so the place is an id.
    letter, (period,) = LETTERS[kind], place.values
    first, following = _starting(f"{letter}-{str(period).replace('-', '')}")
    ascending = _direction(sort, forward=forward) == "asc"
    if letter == place.statement_id[:1]:
        return _beyond((), place, sort, forward=forward)
    bound = first if letter > place.statement_id[:1] else following
    return SQL("s.statement_id >= {}" if ascending else "s.statement_id < {}").format(Literal(bound))


def accounts_branch(
    wanted: StatementFilter,
    sort: Sort,
    accounts: Sequence[str],
    place: Place | None,
    *,
    forward: bool,
    limit: int,
) -> Composed:
    """As `page_branches`, for the statements of some accounts only: all of these are read."""
    keys = _JOINED_KEYS[sort.by]
    rank = "case s.kind when 'connector' then 0 else 1 end" if _OTHER_KEYS[sort.by] is None else "0"
    parts = _joined(wanted, accounts)
    if place:
        beyond = SQL("({rank} {further} {at} or {rank} = {at} and {beyond})").format(
            rank=SQL(rank),
            further=SQL(">" if forward else "<"),
            at=Literal(place.rank),
            beyond=_beyond(keys, place, sort, forward=forward),
        )
        parts["conditions"] = SQL("{} and {}").format(parts["conditions"], beyond)
    branch = composed(
        "branch_of_accounts",
        rank=SQL(rank),
        keys=SQL("".join(f"k{n}, " for n, _ in enumerate(keys, 1))),
        values=SQL("".join(f"{key} as k{n}, " for n, key in enumerate(keys, 1))),
        order=page_order(sort, forward=forward),
        limit=limit,
        **parts,
    )
    return SQL("(\n{}\n)").format(branch)


def _union(branches: Sequence[Composed]) -> Composed | None:
    return SQL("\nunion all\n").join(SQL("(\n{}\n)").format(branch) for branch in branches) if branches else None


def export_parts(wanted: StatementFilter, sort: Sort, accounts: Sequence[str] | None) -> dict[str, Composable]:
    """The parts of export.sql."""
    direction = _direction(sort, forward=True)
    keys = [f"{key} {direction}" for key in (*_JOINED_KEYS[sort.by], "s.statement_id")]
    if _OTHER_KEYS[sort.by] is None:
        keys.insert(0, "case s.kind when 'connector' then 0 else 1 end")
    if sort.is_of_money:
        keys.insert(0, "s.currency")
    return _joined(wanted, accounts) | {"order": SQL(", ".join(keys))}


def totals_parts(wanted: StatementFilter, accounts: Sequence[str] | None) -> tuple[str, dict[str, Composable]]:
    """The query for the totals and its parts: from the sums that are kept, if the filter allows it."""
    letter, *digits = wanted.search.rstrip("-").split("-")
    if accounts is not None or len(digits) > 1:
        return "totals", _joined(wanted, accounts)
    kinds = [kind for kind in LETTERS if kind in (wanted.kinds or LETTERS) and letter in {"", LETTERS[kind]}]
    conditions = [SQL("s.kind = any({}::text[])").format(Literal(kinds)), *_sum_conditions(wanted)]
    if digits:
        conditions.append(SQL("starts_with(replace(s.period, '-', ''), {})").format(Literal(digits[0])))
    if wanted.statuses:
        statuses = Literal(list(wanted.statuses))
        conditions.append(SQL("s.status = any({}::billing.statement_status[])").format(statuses))
    return "sums", {"conditions": _all(conditions)}


def counts_parts(wanted: StatementFilter) -> dict[str, Composable]:
    """The parts of counts.sql."""
    return {"conditions": _all(_sum_conditions(wanted))}


def _sum_conditions(wanted: StatementFilter) -> list[Composed]:
    conditions = []
    if wanted.period:
        conditions.append(SQL("s.period = {}").format(Literal(str(wanted.period))))
    if wanted.currency:
        conditions.append(SQL("s.currency = {}").format(Literal(wanted.currency)))
    return conditions

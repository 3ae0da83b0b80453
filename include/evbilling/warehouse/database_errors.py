"""Postgres' errors as ours, whichever driver met them: what may come back, what is bad input, what isn't set up.

Each class of Postgres' error codes is decided once, here; the rest is a fault of the program and stays as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import psycopg
from psycopg import errors

from evbilling.errors import BadInput, EvbillingError, NotReady, StaleTry, TransientError


class Verdict(Enum):
    """What an error of Postgres means for the step that met it."""

    MAY_COME_BACK = "may come back"
    BAD_INPUT = "bad input"
    NOT_SET_UP = "not set up"
    OURS = "a fault of the program"


# By the first two characters of the code, as Postgres' manual groups them (appendix "PostgreSQL Error Codes").
BY_CLASS: dict[str, Verdict] = {
    "00": Verdict.OURS,  # successful completion
    "01": Verdict.OURS,  # warning
    "02": Verdict.OURS,  # no data
    "03": Verdict.OURS,  # SQL statement not yet complete
    "08": Verdict.MAY_COME_BACK,  # connection exception
    "09": Verdict.OURS,  # triggered action exception
    "0A": Verdict.OURS,  # feature not supported
    "0B": Verdict.OURS,  # invalid transaction initiation
    "0F": Verdict.OURS,  # locator exception
    "0L": Verdict.OURS,  # invalid grantor
    "0P": Verdict.NOT_SET_UP,  # invalid role specification
    "0Z": Verdict.OURS,  # diagnostics exception
    "10": Verdict.OURS,  # XQuery error
    "20": Verdict.OURS,  # case not found
    "21": Verdict.OURS,  # cardinality violation
    "22": Verdict.BAD_INPUT,  # data exception
    "23": Verdict.OURS,  # integrity constraint violation: what comes in is checked before it is written
    "24": Verdict.OURS,  # invalid cursor state
    "25": Verdict.OURS,  # invalid transaction state
    "26": Verdict.OURS,  # invalid SQL statement name
    "27": Verdict.OURS,  # triggered data change violation
    "28": Verdict.NOT_SET_UP,  # invalid authorization specification
    "2B": Verdict.OURS,  # dependent privilege descriptors still exist
    "2D": Verdict.OURS,  # invalid transaction termination
    "2F": Verdict.OURS,  # SQL routine exception
    "34": Verdict.OURS,  # invalid cursor name
    "38": Verdict.OURS,  # external routine exception
    "39": Verdict.OURS,  # external routine invocation exception
    "3B": Verdict.OURS,  # savepoint exception
    "3D": Verdict.NOT_SET_UP,  # invalid catalog name: there is no such database
    "3F": Verdict.OURS,  # invalid schema name
    "40": Verdict.MAY_COME_BACK,  # transaction rollback: a deadlock, a serialization failure
    "42": Verdict.OURS,  # syntax error or access rule violation
    "44": Verdict.OURS,  # WITH CHECK OPTION violation
    "53": Verdict.MAY_COME_BACK,  # insufficient resources
    "54": Verdict.BAD_INPUT,  # program limit exceeded: a value is too long for an index
    "55": Verdict.OURS,  # object not in prerequisite state
    "57": Verdict.MAY_COME_BACK,  # operator intervention: a shutdown, a cancelled query
    "58": Verdict.MAY_COME_BACK,  # system error
    "F0": Verdict.NOT_SET_UP,  # configuration file error
    "HV": Verdict.OURS,  # foreign data wrapper error
    "P0": Verdict.OURS,  # PL/pgSQL error
    "XX": Verdict.OURS,  # internal error, corrupted data or index: nothing to try again blindly
}

# Codes that mean something else than their class.
BY_CODE: dict[str, Verdict] = {
    "25006": Verdict.MAY_COME_BACK,  # read-only transaction: the server is a standby until a failover has ended
    "25P03": Verdict.MAY_COME_BACK,  # the task was stopped for longer than the server lets a transaction idle
    "25P04": Verdict.MAY_COME_BACK,  # … or lets it take
    "42501": Verdict.NOT_SET_UP,  # insufficient privilege
    "55006": Verdict.MAY_COME_BACK,  # object in use
    "55P03": Verdict.MAY_COME_BACK,  # lock not available
}

_NOT_MIGRATED = frozenset({"42P01", "42883", "3F000"})

# Raised by the functions in sql/functions.
_OUR_ERRORS: dict[str, type[EvbillingError]] = {
    "EV001": StaleTry,
    "EV003": TransientError,
    "EV004": BadInput,
    "EV005": NotReady,
}

_FOREIGN = "correct the value, the column's type or the user's rights there; docs/contract.md says what is accepted"

# ADBC quotes the whole query around what the server said.
_SAID = re.compile(r"(?:ERROR|FATAL|PANIC):  (.+)")


def verdict(error: Exception) -> Verdict | None:
    """What an error of psycopg, SQLAlchemy or ADBC means; None if it is none of theirs."""
    found = _driver_error(error)
    if found is None:
        return None
    if code := getattr(found, "sqlstate", None):
        return BY_CODE.get(code) or BY_CLASS.get(code[:2], Verdict.OURS)
    # No server said it: the driver found the connection lost, or the values not fit to be sent.
    names = {kind.__name__ for kind in type(found).__mro__}
    if names & {"OperationalError", "InterfaceError"}:
        return Verdict.MAY_COME_BACK
    return Verdict.BAD_INPUT if "DataError" in names else Verdict.OURS


def may_come_back(error: Exception) -> bool:
    """True if the same statement may succeed later: the server or the connection is what failed."""
    return verdict(error) is Verdict.MAY_COME_BACK


@contextmanager
def explained(where: str, *, foreign: bool = False) -> Generator[None]:
    """In the block, an error of a database driver is raised as one of ours that names `where`; a bug stays as it is.

    `TransientError`: it may come back. `BadInput`: Postgres can't take a value. `NotReady`: a migration, a right or a
    database is missing. `StaleTry` and others as the warehouse's own functions raise them. A `foreign` database has
    tables that aren't ours: whatever it refuses and will refuse again is `BadInput`.
    """
    try:
        yield
    except Exception as error:
        if (ours := explain(error, where, foreign=foreign)) is None:
            raise
        raise ours from error


def explain(error: Exception, where: str, *, foreign: bool = False) -> EvbillingError | None:
    """The error to raise instead of a database driver's; None if it stays as it is."""
    found = _driver_error(error)
    if found is None:
        return None
    code = getattr(found, "sqlstate", None) or ""
    message, hint = str(found).strip(), None
    if isinstance(found, psycopg.Error):
        message, hint = (found.diag.message_primary or message).strip(), found.diag.message_hint
    elif said := _SAID.search(message):
        message = said[1]
    if foreign and not may_come_back(error):
        return BadInput(message, where=where, fix=_FOREIGN)
    if code in _OUR_ERRORS:
        return _OUR_ERRORS[code](message, where=where, fix=hint)
    if code in _NOT_MIGRATED and "billing" in message:
        return NotReady(message, where=where, fix="run `evbilling migrate`")
    if code == errors.LockNotAvailable.sqlstate:
        return TransientError(
            "another session has kept a lock that this step needs for too long",
            where=where,
            fix="look for a long transaction in pg_stat_activity, end it with pg_terminate_backend, and try again",
        )
    match verdict(error):
        case Verdict.MAY_COME_BACK:
            return TransientError(message, where=where, fix="try again; if it stays, look at the server's log")
        case Verdict.BAD_INPUT if code.startswith("54"):
            return BadInput(f"a value is too long: {message}", where=where, fix="shorten it where it comes from")
        case Verdict.BAD_INPUT:
            return BadInput(message, where=where, fix="correct the value where it comes from")
        case Verdict.NOT_SET_UP:
            fix = "check the login and its rights; `evbilling migrate` sets those of the warehouse"
            return NotReady(message, where=where, fix=fix)
    return None


def _driver_error(error: Exception) -> Any:
    """The driver's own error, also within SQLAlchemy's; None if `error` is none."""
    # Only who has met such an error has the library loaded, and it takes long to load.
    alchemy, adbc = sys.modules.get("sqlalchemy.exc"), sys.modules.get("adbc_driver_manager")
    if alchemy is not None and isinstance(error, alchemy.DBAPIError):
        return error.orig
    kinds = (psycopg.Error,) if adbc is None else (psycopg.Error, adbc.Error)
    return error if isinstance(error, kinds) else None

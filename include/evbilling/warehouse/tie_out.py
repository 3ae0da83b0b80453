"""Keeps a period's figures that must agree, for finance.tie_out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import psycopg

log = logging.getLogger(__name__)

Check = tuple[str, str, Any, str, Any]


def keep_checks(connection: psycopg.Connection[Any], period: str, run_id: int, checks: Sequence[Check]) -> list[str]:
    """Keep checks (id, left label and value, right label and value); returns the ids of those that aren't equal.

    A check that says the same as before is left alone, whichever run it came from.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into billing.tie_out as t
                   (check_id, left_label, left_value, right_label, right_value, period, run_id)
               values (%s, %s, %s, %s, %s, %s, %s)
               on conflict (period, check_id) do update
               set left_label = excluded.left_label, left_value = excluded.left_value,
                   right_label = excluded.right_label, right_value = excluded.right_value, run_id = excluded.run_id
               where (t.left_value, t.right_value) is distinct from (excluded.left_value, excluded.right_value)""",
            [(*check, period, run_id) for check in checks],
        )
    not_ok = [check for check in checks if check[2] != check[4]]
    for check_id, left, left_value, right, right_value in not_ok:
        log.error("tie-out %s of %s: %s %s, but %s %s", check_id, period, left, left_value, right, right_value)
    return [check[0] for check in not_ok]

"""An issued month that later truths correct."""

from __future__ import annotations

from typing import Any

import psycopg

from evbilling.connector_statements import Correction, close_run, correct_statements, validate
from evbilling.services import Services
from tests.support.month import Billed, Platform, bill, settle_terms, stage, terms


class CorrectedMonth:
    """Three accounts with an issued month: `a` has three connectors, `b` two, `c` one; 5.00 EUR each, 19 % tax."""

    def __init__(self, platform_url: str, warehouse: Any, evidence: str) -> None:
        self.platform = Platform(platform_url)
        for account, connectors in (("a", 3), ("b", 2), ("c", 1)):
            self.platform.plain_account(account, connectors=connectors)
        self.platform.save()
        self.url = warehouse.writer_url
        self.finance_url = warehouse.finance_url
        self.admin_url = warehouse.admin_url
        settle_terms(self.url, terms("a"), terms("b"), terms("c"))
        self.services = Services(platform_url, self.url, evidence)
        self.issued: Billed = bill(self.services)

    def correct(self, **options: Any) -> dict[str, Any]:
        """A run of correct_statements."""
        corrected = correct(self.services, self.admin_url, **options)
        self.found: list[Correction] = corrected.pop("results")
        return corrected


def correct(services: Services, admin_url: str, **options: Any) -> dict[str, Any]:
    """A run of correct_statements: its steps, one after the other; what the last but one returns."""
    run_id, _, _ = stage(services, max_count_change_percent=90)
    validate(services, run_id)
    with psycopg.connect(admin_url) as connection:
        connection.execute("update billing.run set dag_id = 'correct_statements' where run_id = %s", (run_id,))
    corrected = correct_statements(services, run_id, **({"reason": "reported late"} | options))
    close_run(services, run_id)
    return corrected

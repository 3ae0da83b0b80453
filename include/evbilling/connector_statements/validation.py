"""Step 4: Great Expectations on the inventory, the staged decisions, the accounts and the period as a whole."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from evbilling.connector_statements import stage
from evbilling.connector_statements.draft_stage import settle_run
from evbilling.connector_statements.drafts import Settlement
from evbilling.errors import NotReady
from evbilling.expectations import suites
from evbilling.expectations.page import validation_page
from evbilling.expectations.validator import Validator, stop_if_critical
from evbilling.findings import Finding
from evbilling.platform.inventory import inventory_frame
from evbilling.services import Services, evidence_folder, stands
from evbilling.warehouse import runs

log = logging.getLogger(__name__)


def validate(services: Services, run_id: int) -> dict[str, Any]:
    """Validate a run; returns {"expectations", "warnings", "page"}, all results kept in the warehouse.

    Raises `SetFault` that names every critical failure, after they are recorded: nothing is published then.
    """
    with services.recording_failure(run_id):
        with services.warehouse() as connection:
            run = runs.get_run(connection, run_id)
            if stands(run):
                return {"expectations": 0, "warnings": 0, "page": run.facts["validation_page"]}
            shards = runs.get_shards(connection, run_id)
            if not stage.has_stage(connection, run_id, run.shard_count):
                raise NotReady(
                    f"the decisions of run {run_id} are not staged", fix="clear the task apply_scope_rules too"
                )
        # The warehouse counts beside us.
        with ThreadPoolExecutor(1) as pool:
            counting = pool.submit(_staged_counts, services, run_id)
            settlement = settle_run(services, run, shards)
            staged = counting.result()
        validator = Validator()
        profiles = {shard.shard: shard.profile for shard in shards if shard.profile is not None}
        if len(profiles) != run.shard_count:
            raise NotReady(f"shards of run {run_id} are not decided", fix="clear the task apply_scope_rules too")
        inventory = inventory_frame(profiles, {shard.shard: shard.extracted_rows for shard in shards})
        findings: list[Finding] = validator.validate(inventory, suites.inventory_suite())
        staged = staged.merge(
            services.accounts(run)[["account_id", "fee_minor", "dc_fee_minor"]], on="account_id", how="left"
        )
        findings += validator.validate(_priced(staged), suites.decisions_suite())
        findings += validator.validate(_accounts_frame(settlement, staged), suites.accounts_suite())
        findings += _validate_period(validator, run, settlement, sum(shard.orphans for shard in shards))

        page = services.evidence.put_text(
            evidence_folder(run.period, run_id),
            "validation",
            "html",
            validation_page(run.period, run_id, findings),
        )
        warnings = [finding.sentence() for finding in findings if not finding.success and not finding.is_stopping]
        with services.warehouse() as connection:
            runs.record_findings(connection, run_id, findings)
            extracted = int(settlement.counts["extracted"].sum())
            facts = {"extracted": extracted, "validation_page": page.key, "validation_sha256": page.sha256}
            runs.add_facts(connection, run_id, facts, warnings)
        stop_if_critical(findings, run.period)
    for warning in warnings:
        log.warning(warning)
    log.info("%s expectations on %s connectors hold, %s warnings", len(findings), extracted, len(warnings))
    return {"expectations": len(findings), "warnings": len(warnings), "page": page.key}


def _staged_counts(services: Services, run_id: int) -> pd.DataFrame:
    with services.warehouse() as connection:
        return stage.staged_counts(connection, run_id)


def _priced(staged: pd.DataFrame) -> pd.DataFrame:
    agreed = staged["dc_fee_minor"].where(staged["power_type"] == "DC", staged["fee_minor"])
    # Plain floats with NaN: Great Expectations compares columns by numpy, which doesn't know nullable integers.
    return staged.assign(
        agreed_price_minor=agreed.astype(float), unit_price_minor=staged["unit_price_minor"].astype(float)
    )


def _accounts_frame(settlement: Settlement, staged: pd.DataFrame) -> pd.DataFrame:
    """Counts per account from the evidence beside those that really lie staged."""
    net = (staged["connectors"] * staged["unit_price_minor"].fillna(0)).groupby(staged["account_id"]).sum()
    rows = staged.groupby("account_id")["connectors"].sum()
    counts = settlement.counts
    return counts.assign(
        decided=counts["billed"] + counts["excluded"],
        staged=counts["account_id"].map(rows).fillna(0).astype("int64"),
        staged_net_minor=counts["account_id"].map(net).fillna(0).astype("int64"),
    )


def _validate_period(validator: Validator, run: runs.Run, settlement: Settlement, orphans: int) -> list[Finding]:
    counts, previous = settlement.counts, run.facts.get("previous_extracted")
    extracted = int(counts["extracted"].sum())
    limit = float(run.facts["max_count_change_percent"])
    frame = pd.DataFrame({
        "extracted": [extracted],
        "decided": [int(counts["billed"].sum() + counts["excluded"].sum())],
        "orphans": [orphans],
        "homeless_chargers": [int(run.facts["homeless_chargers"])],
        "change_percent": [round(100 * (extracted - previous) / previous, 2) if previous else None],
    }).astype({"change_percent": float})
    return validator.validate(
        frame,
        suites.period_suite(),
        change_limit=limit,
        lower_change_limit=-limit,
        orphan_limit=int(run.facts["max_orphan_connectors"]),
    )

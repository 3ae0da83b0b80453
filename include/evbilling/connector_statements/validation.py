"""Task validate: Great Expectations on the inventory, the staged decisions, the accounts and the period as a whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from evbilling import run_steps
from evbilling.connector_statements.doubts import alike_chargers
from evbilling.connector_statements.drafts import Drafts
from evbilling.connector_statements.stage import draft_run, require_decisions, staged_counts
from evbilling.errors import NotReady
from evbilling.expectations import DOUBTS, Validator
from evbilling.findings import Finding
from evbilling.platform.inventory import inventory_frame
from evbilling.services import Services
from evbilling.warehouse import runs


def validate(services: Services, run_id: int) -> dict[str, Any]:
    """Validate a run; returns {"expectations", "warnings", "page"}, all results kept in the warehouse.

    Raises `SetFault` that names every critical failure, after they are recorded: nothing is published then.
    """
    return run_steps.validate_run(services, run_id, _validate)


def _validate(services: Services, run: runs.Run) -> run_steps.Validated:
    # Great Expectations takes seconds to import, and no other step needs it.
    from evbilling.expectations import suites

    with services.warehouse() as connection:
        shards = require_decisions(connection, run)
    # The warehouse counts while the evidence is read here.
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(_staged_counts, services, run.run_id)
        drafts = draft_run(services, run, shards)
        alike = alike_chargers(services, shards)
        staged = counting.result()
    profiles = {shard.shard: shard.profile for shard in shards if shard.profile is not None}
    if len(profiles) != run.shard_count:
        raise NotReady(f"shards of run {run.run_id} are not decided", fix="clear the task apply_scope_rules too")
    inventory = inventory_frame(profiles, {shard.shard: shard.extracted_rows for shard in shards})
    fees = run_steps.accounts_of(services, run)[["account_id", "fee_minor", "dc_fee_minor"]]
    staged = staged.merge(fees, on="account_id", how="left")
    validator = Validator()
    findings: list[Finding] = [
        *validator.validate(inventory, suites.inventory_suite()),
        *validator.validate(_priced(staged), suites.decisions_suite()),
        *validator.validate(_accounts_frame(drafts, staged), suites.accounts_suite()),
        *validator.validate(
            _period_frame(run, drafts, sum(shard.orphans for shard in shards), alike),
            suites.period_suite(run.facts.get("previous_period")),
            change_limit=float(run.facts["max_count_change_percent"]),
            lower_change_limit=-float(run.facts["max_count_change_percent"]),
            orphan_limit=int(run.facts["max_orphan_connectors"]),
        ),
    ]
    extracted = int(drafts.counts["extracted"].sum())
    return run_steps.Validated(findings, f"{extracted} connectors", {"extracted": extracted})


def _staged_counts(services: Services, run_id: int) -> pd.DataFrame:
    with services.warehouse() as connection:
        return staged_counts(connection, run_id)


def _priced(staged: pd.DataFrame) -> pd.DataFrame:
    agreed = staged["dc_fee_minor"].where(staged["power_type"] == "DC", staged["fee_minor"])
    # Floats with NaN: Great Expectations compares columns with numpy, which has no nullable integers.
    return staged.assign(
        agreed_price_minor=agreed.astype(float), unit_price_minor=staged["unit_price_minor"].astype(float)
    )


def _accounts_frame(drafts: Drafts, staged: pd.DataFrame) -> pd.DataFrame:
    """Counts per account from the evidence beside the decisions that are staged."""
    net = (staged["connectors"] * staged["unit_price_minor"].fillna(0)).groupby(staged["account_id"]).sum()
    rows = staged.groupby("account_id")["connectors"].sum()
    counts = drafts.counts
    return counts.assign(
        decided=counts["billed"] + counts["excluded"],
        staged=counts["account_id"].map(rows).fillna(0).astype("int64"),
        staged_net_minor=counts["account_id"].map(net).fillna(0).astype("int64"),
    )


def _period_frame(run: runs.Run, drafts: Drafts, orphans: int, alike: str | None) -> pd.DataFrame:
    """The period as a whole: one row. Columns of `DOUBTS` have words; null: there is no such doubt."""
    strays = sorted(name for name in run.facts if name.startswith("stray_connectors_"))
    counts, previous = drafts.counts, run.facts.get("previous_extracted")
    extracted = int(counts["extracted"].sum())
    return pd.DataFrame({
        "extracted": [extracted],
        "decided": [int(counts["billed"].sum() + counts["excluded"].sum())],
        "orphans": [orphans],
        # A run that was opened by an earlier release has no such fact.
        "shared_customers": [int(run.facts.get("shared_customers", 0))],
        # Nor the words of its doubts.
        **{name: [run.facts.get(name)] for name in DOUBTS},
        "alike_chargers": [alike],
        "stray_connectors": ["; ".join(run.facts[name] for name in strays) or None],
        "change_percent": [round(100 * (extracted - previous) / previous, 2) if previous else None],
    }).astype({"change_percent": float, **dict.fromkeys(DOUBTS, object)})

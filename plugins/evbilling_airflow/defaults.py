"""What all DAGs share: owner, retries, tags, Params of a month."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, Param, RetryAction, RetryRule

from evbilling.errors import EvbillingError, TransientError


class Tag(StrEnum):
    """The tags a DAG may carry; a typo can't ship."""

    BILLING = "billing"
    MONTHLY = "monthly"
    TIER_1 = "impact:tier-1"


# A second try at bad data only hides the message; only what is outside and may come back is tried again.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=TransientError, action=RetryAction.RETRY, reason="a service did not answer"),
        RetryRule(exception=EvbillingError, action=RetryAction.FAIL, reason="trying again would not help"),
        RetryRule(
            exception=[LookupError, TypeError, ValueError, AttributeError],
            action=RetryAction.FAIL,
            reason="a fault in the program, which trying again would only repeat",
        ),
    ]
)

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "billing",
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": RETRY_POLICY,
    "execution_timeout": timedelta(hours=2),
}

MONTH_PARAMS: dict[str, Param] = {
    "period": Param(
        None,
        type=["null", "string"],
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$",
        title="Billing period",
        description="YYYY-MM. Only for a run without a partition key.",
    ),
    "max_count_change_percent": Param(
        25,
        type="number",
        minimum=0,
        title="Largest change of the connector count (%)",
        description="Against the month before, where that is known. A larger change stops the run.",
    ),
    "max_orphan_connectors": Param(
        0,
        type="integer",
        minimum=0,
        title="Connectors allowed under no known charger",
        description="Nobody can be billed for such connectors. More of them stop the run.",
    ),
}

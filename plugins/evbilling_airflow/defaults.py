"""What all DAGs share: owner, retries, tags, Params of a month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, Param, RetryAction, RetryRule

from evbilling.errors import EvbillingError, TransientError
from evbilling.platform import SHARD_ROWS
from evbilling_airflow.alerting import FailureNotifier
from evbilling_airflow.context import check_begin


class Tag(StrEnum):
    """The tags a DAG may carry; a typo can't ship."""

    BILLING = "billing"
    MONTHLY = "monthly"
    DAILY = "daily"
    PAYMENTS = "payments"
    MAIL = "mail"
    ACTION = "action"
    TIER_1 = "impact:tier-1"
    TIER_2 = "impact:tier-2"


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
    "pre_execute": check_begin,
    "on_failure_callback": FailureNotifier(),
}

# Nothing bills because a DAG was deployed: paused, no catch-up, one run at a time, from a date that never moves.
SCHEDULED: dict[str, Any] = {
    "start_date": datetime(2015, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "is_paused_upon_creation": True,
    "dagrun_timeout": timedelta(hours=23),
    "default_args": DEFAULT_ARGS,
}

# A run of a month may wait for a person, twice for ten days each at most; other months don't wait for it.
MONTHLY: dict[str, Any] = SCHEDULED | {"max_active_runs": 4, "dagrun_timeout": timedelta(days=23)}

# An operator's action does nothing unasked, so it is ready when it is asked for, and several may be at once.
BY_HAND: dict[str, Any] = SCHEDULED | {"max_active_runs": 16, "is_paused_upon_creation": False}
MONTH_BY_HAND: dict[str, Any] = BY_HAND | {"dagrun_timeout": MONTHLY["dagrun_timeout"]}

# A task that calls the gateway takes a slot of this pool; the rate is kept in the warehouse, for all workers.
GATEWAY_POOL = "payment_gateway"
# Charging a hundred thousand statements at 20 a second takes an hour and a half.
CHARGING_TIMEOUT = timedelta(hours=10)
# So may mailing them, if the mail server takes three a second.
DELIVERY_TIMEOUT = timedelta(hours=10)

PERIOD_FORM = r"^[0-9]{4}-(0[1-9]|1[0-2])$"
DAY_FORM = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

PERIOD_PARAM = Param(
    None,
    type=["null", "string"],
    pattern=PERIOD_FORM,
    title="Billing period",
    description="YYYY-MM. Only for a run without a partition key.",
)

DRY_RUN_PARAM = Param(
    False,
    type="boolean",
    title="Dry run",
    description="Only say in the log what would happen; nothing is charged and nothing written.",
)

REASON_PARAM = Param(
    type="string",
    minLength=1,
    title="Reason",
    description="Why, in a few words. It is kept in the audit; customers don't see it.",
)

DELIVER_PARAM = Param(
    "auto",
    type="string",
    enum=["auto", "yes", "no"],
    title="Mail the statements",
    description="auto: unless the month ended more than 45 days before the run. What isn't mailed is held, and can be "
    "sent by mail_delivery.",
)

MONTH_PARAMS: dict[str, Param] = {
    "period": PERIOD_PARAM,
    "deliver": DELIVER_PARAM,
    "max_count_change_percent": Param(
        25,
        type="number",
        minimum=0,
        title="Largest change of the connector count (%)",
        description="Against the last month billed, where there is one. A larger change stops the run.",
    ),
    "max_orphan_connectors": Param(
        0,
        type="integer",
        minimum=0,
        title="Connectors allowed under no known charger",
        description="Nobody can be billed for such connectors. More of them stop the run.",
    ),
    "shard_rows": Param(
        SHARD_ROWS,
        type="integer",
        minimum=1,
        title="Connectors in a shard",
        description="About so many are decided in one task. Fewer: more tasks with less memory each.",
    ),
}

RECONCILIATION_PARAMS: dict[str, Param] = {
    "days": Param(
        35,
        type="integer",
        minimum=1,
        maximum=400,
        title="Days to look back",
        description="Payments of so many days are compared. Charges without an outcome are looked for however old.",
    ),
    "min_age_minutes": Param(
        60,
        type="integer",
        # The lease of a claim and the gateway's timeouts, unless the connection sets longer ones.
        minimum=2,
        title="Minutes until a missing charge counts as not made",
        description="A charge that the gateway doesn't list may still be on its way for so long, at least 2 minutes.",
    ),
}

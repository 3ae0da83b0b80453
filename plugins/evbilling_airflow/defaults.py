"""What all DAGs share: owner, retries, tags, Params of a month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, Param, RetryAction, RetryRule

from evbilling.errors import EvbillingError, TransientError
from evbilling.platform import SHARD_ROWS


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

# An operator's action does nothing unasked, so it is ready when it is asked for, and several may be at once.
BY_HAND: dict[str, Any] = SCHEDULED | {"max_active_runs": 16, "is_paused_upon_creation": False}

# Whoever talks to the gateway takes a slot of this pool; the rate itself is kept in the warehouse, for all workers.
GATEWAY_POOL = "payment_gateway"
# Charging a hundred thousand statements at 20 a second takes an hour and a half.
CHARGING_TIMEOUT = timedelta(hours=10)
# So may sending them, where the mail server takes three a second.
DELIVERY_TIMEOUT = timedelta(hours=10)

_STATEMENT_FORM = "^[A-Z]-[0-9]{6}-[0-9]{6,}$"
_PERIOD_FORM = r"^[0-9]{4}-(0[1-9]|1[0-2])$"

PERIOD_PARAM = Param(
    None,
    type=["null", "string"],
    pattern=_PERIOD_FORM,
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
    description="Why, in a few words. It is kept in the audit.",
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
        description="Against the month before, where that is known. A larger change stops the run.",
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

CORRECTION_PARAMS: dict[str, Param] = MONTH_PARAMS | {"reason": REASON_PARAM, "dry_run": DRY_RUN_PARAM}

EXPECTED_TOTAL_PARAM = Param(
    None,
    type=["null", "object"],
    propertyNames={"pattern": "^[A-Z]{3}$"},
    additionalProperties={"type": ["string", "number"]},
    title="Expected total",
    description='What is due on them all, by currency: {"EUR": "19.04"}. Another amount by then: nothing is done.',
)

REBILL_PARAMS: dict[str, Param] = {
    "statement_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "pattern": "^A-[0-9]{6}-[0-9]{6,}$"},
        title="Statements",
        description="Ids of connector statements, one a line: A-202611-000042. Or give account and period.",
    ),
    "account_id": Param(
        None,
        type=["null", "string"],
        title="Account",
        description="Charge all connector statements of this account in the period below.",
    ),
    "period": Param(
        None,
        type=["null", "string"],
        pattern=_PERIOD_FORM,
        title="Billing period of the account",
        description="YYYY-MM. Only with an account.",
    ),
    "expected_total": EXPECTED_TOTAL_PARAM,
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}

MARK_AS_PAID_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        None,
        type=["null", "string"],
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement: A-202611-000042. Or name several below.",
    ),
    "statement_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "pattern": _STATEMENT_FORM},
        maxItems=1_000,
        title="Statements",
        description="Ids of connector statements, one a line: each is paid in full, on the same day.",
    ),
    "amount": Param(
        None,
        type=["null", "string", "number"],
        title="Amount",
        description="In major units, for example 12.50; for one statement only. Empty: all that is due.",
    ),
    "currency": Param(
        None,
        type=["null", "string"],
        pattern="^[A-Z]{3}$",
        title="Currency",
        description="To be sure of it: must be the statement's. Empty: the statement's.",
    ),
    "paid_on": Param(type="string", format="date", title="Paid on", description="The day of the payment, YYYY-MM-DD."),
    "reference": Param(
        type="string",
        minLength=1,
        title="Reference",
        description="What identifies the payment: the bank's reference, a cheque's number, the gateway's payment id.",
    ),
    "expected_total": EXPECTED_TOTAL_PARAM,
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
}

UNDO_MARK_AS_PAID_PARAMS: dict[str, Param] = {
    "statement_id": Param(
        type="string",
        pattern=_STATEMENT_FORM,
        title="Statement",
        description="Id of the connector statement that was marked as paid by mistake: A-202611-000042.",
    ),
    "payment_id": Param(
        None,
        type=["null", "string"],
        pattern="^(paid-outside-[0-9]+)?$",
        title="Payment",
        description="Its id in finance.payments: paid-outside-12. Empty: the statement's only one.",
    ),
    "reason": REASON_PARAM,
    "dry_run": DRY_RUN_PARAM,
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
        minimum=0,
        title="Minutes until a missing charge counts as not made",
        description="A charge that the gateway doesn't list may still be on its way for so long.",
    ),
}

MAIL_PARAMS: dict[str, Param] = {
    "statement_ids": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "pattern": "^[ASC]-[0-9]{6}-[0-9]{6,}$"},
        title="Statements to send",
        description="Ids, one a line: A-202611-000042. What was sent goes out once more. Empty: send what waits.",
    ),
    "period": Param(
        None,
        type=["null", "string"],
        pattern=_PERIOD_FORM,
        title="Billing period to send",
        description="YYYY-MM, instead of statements: all messages of the kind and in the states below.",
    ),
    "kind": Param(
        None,
        type=["null", "string"],
        enum=[None, "connector_statement", "account_statement", "correction", "failed_charge"],
        title="Kind of message",
        description="Needed with a period. With statements, empty: the statement itself.",
    ),
    "states": Param(
        ["held", "failed"],
        type="array",
        items={"type": "string", "enum": ["held", "failed", "unknown", "sent"]},
        title="States to send",
        description="Only with a period. unknown may have arrived, and sent has.",
    ),
    "reason": Param(
        None,
        type=["null", "string"],
        title="Reason",
        description="Why it is sent, in a few words; needed with statements or a period. It is kept in the audit.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Only say in the log what would be sent; nothing is sent and nothing written.",
    ),
}

"""
### Connector statements

Counts the connectors of every account with per-connector billing at 00:00 on the 1st in the account's own time zone,
issues a connector statement (`A-…`, *Account Chargers*) to its financial admin, charges it and mails it.

**When**: 12:00 UTC on the 1st, when it is the 1st in every inhabited time zone. The period is the run's partition key
(`2026-11`), or the Param `period`; never the date of the run.

**What it does**: open run → extract inventory → apply scope rules → validate → plan → issue statements → close run →
charge; deliver beside charge. One short transaction publishes exactly what was planned: readers never see half a month.
Where the approval policy asks for it, or a scheduled run begins late, `approve` waits for a person first. With a
canary, the first few statements are issued, charged and mailed, and `approve_rest` waits before the others are.

**Re-run**: as often as you like, the whole run or any task. Issued statements stay. If nothing has changed, 0 rows are
written; accounts whose fault has been fixed get their statements; if an issued statement no longer matches the
inventory, the run reports the difference and writes nothing. A statement is charged once and mailed once, however often
`charge` and `deliver` run; past months are only mailed if the Param `deliver` says so. For another month,
`airflow dags test connector_statements -c '{"period": "2026-10"}'`, or a trigger or backfill, which follow the policy.

**A failure means**: `open_run`: the source can't be reached, or its inventory can't be right. `validate`: a critical
expectation failed (see *Validation results* on the task). In both cases nothing is published, and the message says what
to do. `record_decision`: the plan was rejected, or nobody approved it in time; nothing is issued. `record_rest`:
likewise, and the canary stays issued. `charge`: the payment gateway doesn't answer, or refuses the key or our requests;
the statements are issued, clear the task to go on. It also fails, once everything is recorded, for a break or a failing
check, with what to do. `deliver`: the mail server doesn't answer or refuses us; `mail_delivery` sends the mail later.
An account with a fault, a declined charge or a wrong address doesn't fail the run: see `finance.unbilled_accounts`,
`finance.payment_attempts` and `finance.mail`.

**Runbook**: `docs/runbooks/monthly-run.md`
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronPartitionTimetable, dag

from evbilling_airflow.alerting import deadline
from evbilling_airflow.defaults import MONTH_PARAMS, MONTHLY, Tag
from evbilling_airflow.month_tasks import month_tasks
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule=CronPartitionTimetable("0 12 1 * *", timezone="UTC", run_offset=0, key_format="%Y-%m"),
    **MONTHLY,
    deadline=deadline(timedelta(hours=6)),
    params=MONTH_PARAMS,
    tags=[Tag.BILLING, Tag.MONTHLY, Tag.TIER_1],
    doc_md=__doc__,
)
def connector_statements() -> None:
    month_tasks()


connector_statements()

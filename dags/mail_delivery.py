"""
### Mail delivery

Sends the mail that waits: statements and notices of failed charges that were not sent yet. By hand it also sends what
is held, what failed, or what was sent, once more.

**When**: at a quarter past every hour, and not paused at first: it sends nothing but what other runs, or people, have
asked for. By hand with the Params `statement_ids`, or `period` and `kind`, and a `reason`.

**What it does**: request → deliver. A message is sent once, whatever is killed: what may have been sent is never resent
automatically but listed as `unknown`. An address that doesn't work is listed as `failed`. A server that is busy is
asked again, later each time. With `dry_run` the log says what would be sent, to whom.

**Re-run**: safe; a run asks for a message once. To send one again, trigger another run.

**A failure means**: `request`, nothing of what was asked for can be sent (the message says why for each); `deliver`,
the mail server can't be reached or refuses us (see the message). What waits waits on. Without the connection `smtp` the
run succeeds and says how many wait.

**Runbook**: `docs/runbooks/mail.md`
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from evbilling_airflow import mail
from evbilling_airflow.actions import SEND_MAIL
from evbilling_airflow.defaults import BY_HAND, DELIVERY_TIMEOUT, Tag
from evbilling_airflow.release import require_release

require_release("0.1.0")


@dag(
    schedule="15 * * * *",
    **BY_HAND,
    params=SEND_MAIL.params,
    tags=[Tag.BILLING, Tag.MAIL, Tag.ACTION, Tag.TIER_2],
    doc_md=__doc__,
)
def mail_delivery() -> None:
    @task
    def request() -> list[dict[str, str]]:
        """Put what was asked for into the outbox, with who asked and why."""
        return SEND_MAIL.carry_out(get_current_context())

    @task(multiple_outputs=True, execution_timeout=DELIVERY_TIMEOUT)
    def deliver() -> dict[str, int]:
        """Send all that waits and is due."""
        return mail.deliver_all(get_current_context())

    request() >> deliver()


mail_delivery()

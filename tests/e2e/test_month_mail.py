"""A month's mail through real scheduler, API and mail sink: each message once, whatever is run again.

After the tests of the month, on the same stack.
"""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from evbilling_local.mail_sink import Mailbox
from evbilling_local.stack import MAIL_SINK
from tests.support.stack import MONTH, Stack

pytestmark = pytest.mark.e2e

MAIL_DELIVERY = "mail_delivery"


def kept(stack: Stack) -> Counter[str]:
    """How often each Message-ID of the month's statements lies in the sink; notices of failed charges come later."""
    query = "select message_id from finance.mail where period = %s and kind = 'connector_statement'"
    ids = {row[0] for row in stack.finance(query, MONTH)}
    box = Mailbox(stack.state.home / "mail")
    found = (dict(message.headers).get("Message-ID", "") for message in map(box.read, box.numbers()) if message)
    return Counter(message_id for message_id in found if message_id in ids)


def states(stack: Stack) -> dict[str, int]:
    query = """select state, count(*) from finance.mail where period = %s and kind = 'connector_statement' group by 1"""
    return dict(stack.finance(query, MONTH))


def test_a_billed_month_is_in_the_sink_once(stack: Stack, billed: str) -> None:
    """Every statement of the month was mailed, with its PDF, and the sink's page shows it."""
    statements = stack.statements(MONTH)
    found = states(stack)
    assert found["sent"] + found.get("failed", 0) == statements
    assert found["sent"] > 0.9 * statements
    assert set(kept(stack).values()) == {1}
    assert sum(kept(stack).values()) >= found["sent"]
    newest = Mailbox(stack.state.home / "mail").read(1)
    assert newest is not None
    page = httpx.get(MAIL_SINK.url(stack.state), timeout=30, trust_env=False)
    assert page.status_code == 200
    assert "A-2" in page.text
    # Airflow said whether retries are sent.
    log = stack.log(billed, "deliver")
    assert " sent, " in log
    assert "no letter promises another try" not in log


@pytest.mark.parametrize("task_id", ["issue_statements", "deliver"])
def test_a_cleared_task_mails_nothing_again(stack: Stack, billed: str, task_id: str) -> None:
    """Cleared and run once more, the tasks that write and send mail leave the sink as it was."""
    before, published = kept(stack), stack.published()
    stack.clear(billed, task_id)
    assert stack.finish(billed) == "success"
    assert (kept(stack), stack.published()) == (before, published)


def test_sent_again_at_somebodys_word(stack: Stack, billed: str) -> None:
    """`mail_delivery` isn't paused; asked for one statement, it sends it once more and says who asked."""
    ((statement,),) = stack.finance(
        """select min(statement_id) from finance.mail
           where period = %s and state = 'sent' and kind = 'connector_statement'""",
        MONTH,
    )
    before = sum(kept(stack).values())
    conf = {"statement_ids": [statement], "reason": "asked for"}
    assert stack.run(MAIL_DELIVERY, "again", conf=conf) == "success"
    ((by, state),) = stack.finance(
        "select requested_by, state from finance.mail where statement_id = %s order by mail_id desc limit 1", statement
    )
    assert (by, state) == ("admin", "sent")
    assert sum(kept(stack).values()) == before + 1
    ((audited,),) = stack.finance("select reason from finance.audit_events where action = 'send_mail'")
    assert audited == "asked for"

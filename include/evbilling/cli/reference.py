"""The references that finance reads, made from the code that applies them: `rules` and `dictionary`."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from itertools import groupby

from evbilling.account_statements import ADDRESS_FAULTS, AMOUNT_FAULTS
from evbilling.approvals import QUESTIONS
from evbilling.causes import CAUSES
from evbilling.mail import LETTER_CASES
from evbilling.missed_months import REASONS as MISSED_REASONS
from evbilling.payments.actions import CHARGE_REFUSALS
from evbilling.payments.due import DUE_REASONS, WhoActs
from evbilling.payments.reconciliation import WHAT_TO_DO
from evbilling.payments.retries import DECLINES, planner
from evbilling.platform import (
    ACCEPTED,
    CONNECTOR_STATUSES,
    POWER_TYPES,
    SCOPE_STATUSES,
    TABLES,
    Accepted,
    Column,
    Form,
)
from evbilling.read_models.statement import ADVICE, CASES, OTHERWISE, PARTLY, WHAT, Case
from evbilling.scope import ACCOUNT_FAULTS, FAULTS, RELATIONAL_RULES, RULES
from evbilling.warehouse.connect import connected
from evbilling.warehouse.query import fetch_all

NOTHING_TO_BILL = {
    "NO-CONNECTORS": "The account has no connectors at the count, or the rules exclude all of them",
    "FEE-ZERO": "The fees of its connectors come to nothing",
    "FORGIVEN": "The account's month is forgiven: it gets no statement, unless that is taken back",
}

PLAN_REASONS: dict[str, str] = {
    "TO-BE-PLANNED": "it has just failed, or a correction has left a balance; the next retries plan it",
    planner.FIRST_TRY: "it was never tried; at the next opportunity",
    planner.RETRY: "the last decline may be temporary: after a gap that grows with each try, spread over a day",
    planner.METHOD_CHANGED: "the payment method has changed since the last decline: at the next opportunity",
    planner.CAPPED: "it was tried as often as is allowed in 30 days; once the oldest try is that old",
    planner.UNACCOUNTED_PAYMENT: "the gateway has collected a payment for it that isn't recorded; none until that is "
    "put right",
    planner.NO_METHOD: "no payment method is stored; none until there is one",
    planner.HARD_DECLINE: "it was declined for good; none until the payment method changes",
    planner.NEEDS_CUSTOMER: "the customer has to act first; none until the payment method changes, or by Re-Bill",
    planner.UNKNOWN_DECLINE: "it was declined more than once for a reason that isn't given; none, or by Re-Bill",
    planner.GIVEN_UP: "it was tried as often as makes sense; none, or by Re-Bill",
    planner.PAYER_UNCLEAR: "the financial admin isn't clearly a user of its account: the platform has rows that "
    "differ, or the user of another account; none until that is corrected in the platform",
}


_WHO_ACTS = {WhoActs.US: "we", WhoActs.CUSTOMER: "the customer", WhoActs.NOBODY: "nobody: it goes on by itself"}


def _due_reasons() -> str:
    rows = ((f"`{reason.id}`", _WHO_ACTS[reason.who_acts], reason.words) for reason in DUE_REASONS)
    return _table(("id", "who has to act", "reason"), rows)


def rules_reference() -> str:
    """Markdown: every rule, fault, reason and decline code with its stable id."""
    scope_rules = [*((rule.rule_id, rule.reason) for rule in RULES), *RELATIONAL_RULES.items()]
    faults = [
        *((fault.reason_id, fault.detail.replace("!r}", "}")) for fault in ACCOUNT_FAULTS),
        *((fault.reason_id, f"connectors with {fault.what}; {fault.fix}") for fault in FAULTS),
        ("AMOUNT-TOO-LARGE", "the month's amount is beyond any sensible fee; check it"),
    ]
    declines = ((f"`{d.code}`", d.decline_class, d.explanation) for d in DECLINES)
    return f"""\
# Rules and reasons

Made by `evbilling rules` from the code that applies them; don't edit it by hand. Ids are stable: finance
filters by them. Words in braces are filled in from the account. What is counted, and when: see
`docs/contract.md`.

## Scope rules

In this order; each connector is excluded by the first that applies, or billed
(`finance.connector_decisions.rule_id`).

{_reasons(scope_rules)}

## Faults that quarantine an account

Such an account gets no statement; the others are billed. Fix the fault and bill the period again
([how](runbooks/monthly-run.md#run-it-again); `finance.unbilled_accounts.reason_id`, `is_quarantined`).

{_reasons(faults)}

## Nothing to bill

No statement, and nothing to fix (`finance.unbilled_accounts.reason_id`).

{_reasons(NOTHING_TO_BILL.items())}

## Missed months

An account has missed a month (`finance.missed_months`) if all of these are so, at the time that it is looked at by the
warehouse's clock:

- the month is past the time by which its connector statements are due ([service levels](service-levels.md)); one that
  isn't expected is never missed;
- the month isn't before the first one ever billed; until one is billed, only this month counts;
- the account's setting in force for the month charges it. Whoever switches an account on late says by *From period*
  from which month on it is to be billed;
- it has no connector statement for the month, and isn't on hold or without anything to bill, which is on record.

{_reasons(MISSED_REASONS.items())}

A missed month is issued by a person: *Bill …* or *Issue what is missing* on the pages Months and Account Billing, which
show the amounts first. They come from the month's own inventory, settings and fees. Or a person forgives it, who sees
the amount by the same rules; it is kept with who, when and why. A forgiven month is never billed: runs leave the
account out (`FORGIVEN`), and a run of the account alone is refused, until that is taken back. It isn't late.

A policy does so without a person (`finance.missed_month_policies`): that of the account or, where it has none, the
operator's for all accounts. It is `bill`, `forgive` or `ask`; without any, `ask` is in force. The DAG `missed_months`
carries it out every day, for each month that is missed then, also one from before the policy; the page that records it
shows months and amounts first. What it bills goes through `bill_month`, so the approval policy decides whether it waits
for a person. It decides nothing, and `finance.missed_months` says why, where

- a run of the month hasn't ended, or its plan waits;
- the month was forgiven and that was taken back since the policy was recorded: a person's word counts more, until a
  newer policy is recorded;
- the month was never billed, which is done as a whole, and an account of it is left to a person.

## Accounts whose account statement is withheld

Its items wait for the next one; fix the fault and state the month again
([how](runbooks/monthly-run.md#run-it-again); `finance.withheld_account_statements`).
Besides {", ".join(f"`{reason}`" for reason in ADDRESS_FAULTS)}, which are described above:

{_reasons(AMOUNT_FAULTS.items())}

## Why a month differs from the one before

The causes of a plan (`finance.plan_changes.cause`), in this order. The first is the difference between the month
before as it was first issued and with its corrections. Each of the next changes the connectors that the one before
has left, at the fees and the tax rate of the month before; then the fees change, then the tax rate. Tax is rounded
once at each step, so the causes add up to the account's change exactly. The last five explain all of an account.

{_reasons((cause.id, cause.meaning) for cause in CAUSES)}

## What is due, why, and who has to act

Every connector statement on which something is due has one reason (`finance.due.reason_id`), which the page Due shows.
A charge without an outcome comes before all but a payment that isn't recorded; while charging is on hold, what would be
tried waits. Else it is the reason of the plan of retries, or that nothing was declined yet. Age counts from the
statement's date.

{_due_reasons()}

## When a failed payment is retried automatically

`finance.payment_plans.reason_id`. The month's end retries every statement that still has a try left, without waiting
for the gap.

A try by hand (Re-Bill) doesn't move the next automatic try, and leaves as many of them: only tries that weren't made by
hand climb the gaps, and where there is none with a payment method, the first one by hand begins them. It counts for the
most in 30 days and for unknown declines, and a decline for good or until the customer acts ends the automatic tries,
whoever made it.

{_reasons(PLAN_REASONS.items())}

## Why a statement isn't charged

The answers of Re-Bill; the logs of retries count them.

{_reasons(CHARGE_REFUSALS.items())}

## Decline codes

By class (`finance.payment_attempts.decline_class`): `hard`, not with this payment method; `soft`, retried
automatically; `needs_customer`, once the customer has acted; `unknown`, twice at most. The card network's advice
takes precedence over the code. A code that isn't listed is `unknown`. The financial admin reads the words, in the
account's language; letters say apart from them whether it is tried again.

{_table(("code", "class", "words"), declines)}

## When a month waits for a person

`finance.plan_approvals.asked_because`; how to decide is in [the runbook](runbooks/approval.md). Limits and the policy
count in the mode `within_limits` alone; a late start, dropped four eyes and what a canary left in every mode.

{_reasons(QUESTIONS.items())}

**The canary** (`canary_statements` of the policy): so many statements are issued, charged and mailed first, and the
rest waits for a person, whatever the mode. It has the smallest statement of each currency, then the next smallest of
each, and so on; equal ones by account id. They have the month's first numbers. A plan with no more statements than
that has none, nor has a month that has statements already, nor a run of some accounts. Whoever approves the plan may
name other accounts with a statement in it instead, also where the policy has none.

## Breaks between the gateway and our record

`finance.payment_breaks.kind`; nothing is booked automatically.

{_reasons(WHAT_TO_DO.items())}
"""


def contract_reference() -> str:
    """Markdown: the types in which each kind of source may have the contract's columns, and what is refused."""
    tables = ((f"`{table.name}`", ", ".join(map(_column, table.columns))) for table in TABLES)
    accepted = (
        (f"`{kind}`", source, "<br>".join(map(_form, found.forms)), "<br>".join(_refusals(found)))
        for kind, sources in ACCEPTED.items()
        for source, found in sources.items()
    )
    return f"""\
## Columns and types

This section is made by `evbilling contract` from the code that reads the platform
(`include/evbilling/platform/accepted.py`); don't edit it by hand. `!`: a file's row can't be without it; `?`: a source
may be without the column, which is as if it were empty.

{_table(("table", "columns"), tables)}

A source may have a column in these types. Another is refused before a row is read, and the message names table,
column, the type found, and what to do. A Postgres domain counts as the type beneath it; an array is never accepted.

{_table(("type", "source", "accepted: how it is read", "refused: with which words"), accepted)}
"""


_NOTES = {
    "time_zone": "IANA",
    "currency": "ISO 4217",
    "language": "BCP 47, as `fr-BE`; empty: by the account's country",
    "scope_status": ", ".join(f"`{word}`" for word in SCOPE_STATUSES),
    "power_type": ", ".join(f"`{word}`" for word in POWER_TYPES),
    "status": ", ".join(f"`{word}`" for word in CONNECTOR_STATUSES),
}


def _column(column: Column) -> str:
    mark = "!" if column.required else "?" if column.optional else ""
    note = f" ({_NOTES[column.name]})" if column.name in _NOTES else ""
    return f"{column.name}{mark} *{column.type}*{note}"


def _form(form: Form) -> str:
    return f"{', '.join(f'`{name}`' for name in form.types)}: {form.reading}"


def _refusals(accepted: Accepted) -> Iterator[str]:
    if accepted.fix:
        yield f"another type: *{accepted.fix}*"
    if accepted.fault:
        yield f"another value: *{accepted.fault}*"


def letters_reference() -> str:
    """Markdown: every sentence of a letter, with the facts that it follows from."""
    whole = ((say.value, case.facts, _said(case)) for say, case in LETTER_CASES.items())
    one = ((situation.value, case.facts, _said(case)) for situation, case in CASES.items())
    return f"""\
# What letters say, and when

Made by `evbilling letters` from the code that writes them; don't edit it by hand. Each sentence follows from facts that
are true when the letter is written: what the warehouse has of the collection, whether the platform has a payment method
for the payer, whether charging is on hold, and whether Airflow has paused `payment_retries`. What isn't known isn't
promised. The customer reads the sentences in the account's language
([decision 0034](decisions/0034-the-customers-language.md)).

## What becomes of a connector statement's balance

In the letters of connector statements, in notices of failed charges and in corrections, and in letters of account
statements for each statement on which something is due. The first situation that applies.

{_table(("situation", "facts", "sentences"), one)}

If a part is paid and the rest is due, the sentences begin with *{PARTLY}*

{WHAT.capitalize()} and {ADVICE}: [rules.md](rules.md#decline-codes) has both for each code.
If a decline asks for nothing and no try is planned: *{OTHERWISE}*

## What else a letter says

{_table(("letter", "facts", "sentence"), whole)}
"""


def _said(case: Case) -> str:
    return "<br>".join(sentence if sentence in {WHAT, ADVICE} else f"*{sentence}*" for sentence in case.sentences)


def data_dictionary(warehouse_url: str) -> str:
    """Markdown: a section per view, a row per column with type and meaning."""
    with connected(warehouse_url, what="warehouse") as connection:
        rows = fetch_all(connection, "cli/data_dictionary")
    out = """\
# Data dictionary

The views of schema `finance`: the contract with everybody who reads billing figures. Columns are only ever
added. Made by `evbilling dictionary` from the comments in `sql/views/`; don't edit it by hand.
"""
    for (view, comment), columns in groupby(rows, key=operator.itemgetter(0, 1)):
        cells = ((f"`{name}`", kind, meaning) for _, _, name, kind, meaning in columns)
        out += f"\n## finance.{view}\n\n{comment}.\n\n{_table(('column', 'type', 'meaning'), cells)}\n"
    return out


def _reasons(pairs: Iterable[tuple[str, str]]) -> str:
    return _table(("id", "meaning"), ((f"`{name}`", meaning) for name, meaning in pairs))


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    headings = tuple(headings)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows))

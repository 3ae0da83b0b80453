"""Action results in words, for logs, the command line and pages. Nothing may be decided by these texts. Pure."""

from __future__ import annotations

from evbilling.payments.actions.results import Action, ActionResult, Code

# Why a statement isn't charged, in the order of docs/rules.md.
CHARGE_REFUSALS: dict[Code, str] = {
    Code.UNKNOWN: "there is no such connector statement",
    Code.NOT_COLLECTABLE: "it is no connector statement: collect the connector statements that it lists",
    Code.REPEATED: "it was tried on this occasion already",
    Code.OPEN_ATTEMPT: "a charge is under way, or its outcome isn't known yet; payment_reconciliation asks the gateway",
    Code.PAID: "it is paid: nothing is due",
    Code.WRITTEN_OFF: "it is written off, so nothing is collected for it; undo the write-off first",
    Code.UNACCOUNTED_PAYMENT: "the gateway has collected a payment for it that isn't recorded; mark it as paid with "
    "the payment's id as reference, or refund the payment at the gateway and run payment_reconciliation",
    Code.TOO_SMALL: "what is due is less than the gateway can charge; mark it as paid by other means",
    Code.CAPPED: "it was tried as often as is allowed in 30 days",
    Code.HARD_DECLINE: "the last charge was declined for good, and the payment method is still the same",
    Code.ON_HOLD: "charging is on hold, because the warehouse was restored from a backup; payment_reconciliation "
    "compares all payments and lifts the hold",
    Code.LOST_PAYMENT: "its payer has a payment at the gateway that was lost with a restore; put that right first, see "
    "finance.payment_breaks",
    Code.PAYER_UNCLEAR: "its financial admin isn't clearly a user of its account; correct the user in the platform",
}

_REFUSALS = CHARGE_REFUSALS | {
    Code.NO_METHOD: "no payment method is stored, so there is nothing to charge",
    Code.REQUEST_BEGUN: "this request has begun without it; charge it in another request",
    Code.CURRENCY_NOT_CHARGEABLE: "the gateway can't charge its currency",
    Code.SUMS_UP: "an account statement sums up: see the connector statements that it lists",
    Code.CORRECTION_NOT_PAID: "a correction isn't paid separately: see the statement that it corrects",
    Code.NOT_MARKED: "nothing on it is marked as paid",
    Code.NOT_GIVEN_BACK: "the gateway has given back no payment of it, as of the last payment_reconciliation",
    Code.NO_CREDIT: "it has no credit that could be sent back; credit it first",
    Code.NOT_COLLECTED: "the gateway has collected no payment of it",
    Code.NOT_POSSIBLE: "it isn't possible",
    Code.NOT_CORRECTED: "only a connector statement is corrected",
    Code.AS_ISSUED: "its amounts are right by the inventory and the settings as they are now",
    Code.ACCOUNT_ON_HOLD: "its account has a fault now; fix that first",
    Code.NO_HISTORY: "the platform's history of its account begins after the count, so only a run of "
    "correct_statements can tell, from the stored snapshot",
    Code.OTHER_PERIOD: "it is of another month than the first; correct each month on its own",
    Code.MAIL_WAITS: "it is already waiting to be sent",
    Code.MAIL_BUSY: "it is being sent right now",
    Code.NO_MESSAGE: "there is no such statement, or no such message of it",
    Code.NO_ADDRESS: "the financial admin has no e-mail address",
}

_NOT_DONE = {
    Action.REBILL: "not charged",
    Action.MARK_AS_PAID: "not marked as paid",
    Action.UNDO_MARK_AS_PAID: "nothing is undone",
    Action.ACKNOWLEDGE_REFUND: "nothing is acknowledged",
    Action.CORRECT: "not corrected",
    Action.ADJUST: "not adjusted",
    Action.WRITE_OFF: "not changed",
    Action.REFUND_OUTSIDE: "nothing is booked",
    Action.REFUND_PAYMENT: "nothing is refunded",
    Action.SEND_MAIL: "not sent",
}


def refusal(code: Code, detail: str | None = None) -> str:
    """Why a statement is refused, as a clause; `detail` where it says more than the code."""
    return detail or _REFUSALS[code]


def describe(result: ActionResult) -> str:
    """What became of the statement, without its id."""
    if result.is_refused:
        return f"{_NOT_DONE[result.action]}: {refusal(result.code, result.detail)}"
    money = f"{result.amount} {result.currency}"
    due = f"{result.balance_due} {result.currency}"
    match result.action:
        case Action.REBILL:
            outcome = {
                Code.TO_CHARGE: "charge",
                Code.CHARGED: "succeeded:",
                Code.DECLINED: f"declined ({result.decline_code}):",
                Code.NOT_ACCEPTED: f"refused by the gateway for a reason of ours ({result.decline_code}):",
                Code.OUTCOME_UNKNOWN: "unknown:",
                Code.CHARGE_PENDING: "not sent yet:",
            }[result.code]
            return f"{outcome} {money} to {result.payer}"
        case Action.MARK_AS_PAID:
            booked = "paid by other means" if result.code is Code.MARKED else "recorded before"
            return f"{money} {booked}; {due} stay due"
        case Action.UNDO_MARK_AS_PAID:
            undone = "undone" if result.code is Code.UNDONE else "undone before"
            return f"{result.payment_id}, {money} of {result.paid_on} ({result.reference}), {undone}; {due} are due"
        case Action.ACKNOWLEDGE_REFUND:
            booked = "acknowledged" if result.code is Code.ACKNOWLEDGED else "acknowledged before"
            return f"{result.payment_id}, {money} {result.detail}, {booked}; {due} are due"
        case Action.CORRECT:
            corrected = f"corrected by {result.payment_id}:" if result.code is Code.CORRECTED else "correction of"
            return f"{corrected} {result.amount:+} {result.currency}"
        case Action.ADJUST | Action.WRITE_OFF | Action.REFUND_OUTSIDE:
            before = " before" if result.code is Code.ADJUSTED_BEFORE else ""
            return f"{money} {result.detail}{before}; {due} are due"
        case Action.REFUND_PAYMENT:
            return f"{money} of {result.payment_id} {result.detail}; {due} are due"
        case Action.SEND_MAIL:
            kind = (
                (result.mail_kind or "message").replace("_", " ").replace("failed charge", "notice of a failed charge")
            )
            again = {Code.TO_SEND_AGAIN: " once more", Code.REQUESTED_BEFORE: " (asked for before)"}
            return f"{kind} to {result.payer}{again.get(result.code, '')}"


def line(result: ActionResult) -> str:
    """The row in one line, with the statement's id."""
    return f"{result.statement_id}: {describe(result)}"

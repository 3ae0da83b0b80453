"""The sentences of letters about whole statements, each with the facts that it follows from. Pure.

What becomes of the balance of one connector statement is in `evbilling.read_models.statement.collection`.
"""

from __future__ import annotations

from enum import StrEnum

from evbilling.languages import to_translate
from evbilling.read_models.statement import Case


class Say(StrEnum):
    """What a letter says; the value is how the table of cases names it."""

    CONNECTOR_STATEMENT = "a connector statement"
    ACCOUNT_STATEMENT = "an account statement"
    NOTICE = "a notice of a failed charge"
    LOWERED = "a correction that lowers the balance"
    RAISED = "a correction that raises the balance"
    CREDITED = "a credit by hand"
    DEBITED = "a debit by hand"
    LISTED = "a correction, listed"
    TO_BE_LISTED = "a correction, to be listed"
    NOTHING_LEFT = "an account statement, nothing left"
    OF_STATEMENTS = "an account statement, statements due"
    SETTLED_SINCE = "an account statement, settled since"
    CREDIT_HERE = "an account statement, a credit"
    ELSEWHERE = "an account statement, other charges"
    CREDIT_ELSEWHERE = "an account statement, a credit of other charges"
    CONTACT = "help, by the contact"
    REPLY = "help, by a reply"


LETTER_CASES: dict[Say, Case] = {
    Say.CONNECTOR_STATEMENT: Case(
        "it is issued; the sentences of its situation follow",
        (to_translate("This is your connector statement for %(period)s. It is attached as a PDF."),),
    ),
    Say.ACCOUNT_STATEMENT: Case(
        "it is issued; the sentences below follow",
        (
            to_translate(
                "This is your account statement for %(period)s: all charges and payments. It is attached as a PDF."
            ),
        ),
    ),
    Say.NOTICE: Case(
        "an attempt was declined; what the decline of that attempt means and the sentences of the statement's present "
        "situation follow",
        (to_translate("We could not collect your connector statement %(statement)s for %(period)s."),),
    ),
    Say.LOWERED: Case(
        "its total is below zero; the sentences of the corrected statement's situation follow",
        (
            to_translate(
                "Your connector statement %(statement)s for %(period)s was corrected in your favour. The correction is "
                "attached as a PDF, with each connector that changed."
            ),
        ),
    ),
    Say.RAISED: Case(
        "its total is above zero; the sentences of the corrected statement's situation follow",
        (
            to_translate(
                "Your connector statement %(statement)s for %(period)s was corrected by an additional amount. The "
                "correction is attached as a PDF, with each connector that changed."
            ),
        ),
    ),
    Say.CREDITED: Case(
        "a credit by hand; the text for the customer follows, if there is one, then the sentences of the statement's "
        "situation",
        (
            to_translate(
                "We have credited an amount on your connector statement %(statement)s for %(period)s. The credit note "
                "is attached as a PDF."
            ),
        ),
    ),
    Say.DEBITED: Case(
        "a debit by hand; the text for the customer follows, if there is one, then the sentences of the statement's "
        "situation",
        (
            to_translate(
                "A further amount was added to your connector statement %(statement)s for %(period)s. The debit note "
                "is attached as a PDF."
            ),
        ),
    ),
    Say.LISTED: Case(
        "an account statement lists it", (to_translate("Your account statement %(statement)s lists the correction."),)
    ),
    Say.TO_BE_LISTED: Case(
        "no account statement lists it yet", (to_translate("Your next account statement lists the correction."),)
    ),
    Say.NOTHING_LEFT: Case(
        "no part of the closing balance is left, neither from connector statements nor from other charges, and nothing "
        "is due on a statement that it lists",
        (to_translate("Nothing is due."),),
    ),
    Say.OF_STATEMENTS: Case(
        "something is due on statements that it or an earlier one lists: for each situation, the statements and its "
        "sentences",
        (to_translate("%(statements)s: %(note)s"),),
    ),
    Say.SETTLED_SINCE: Case(
        "a part of the closing balance was from connector statements, on which nothing is due any more",
        (
            to_translate(
                "%(amount)s of the closing balance was for connector statements, which have been settled since. Thank "
                "you."
            ),
        ),
    ),
    Say.CREDIT_HERE: Case(
        "the part from connector statements is below zero",
        (to_translate("%(amount)s from connector statements is in your favour."),),
    ),
    Say.ELSEWHERE: Case(
        "the part from other charges is above zero: we don't collect them",
        (
            to_translate(
                "%(amount)s of the closing balance is for other charges, which are settled separately. We don't "
                "collect them with this statement."
            ),
        ),
    ),
    Say.CREDIT_ELSEWHERE: Case(
        "the part from other charges is below zero",
        (to_translate("%(amount)s from other charges is in your favour."),),
    ),
    Say.CONTACT: Case(
        "the customer is asked for something, and EVBILLING_ISSUER_CONTACT is set",
        (to_translate("If you need help with your payment method, contact %(contact)s."),),
    ),
    Say.REPLY: Case(
        "the customer is asked for something, and EVBILLING_ISSUER_CONTACT isn't set",
        (to_translate("If you need help with your payment method, reply to this message."),),
    ),
}


def message_of(say: Say) -> str:
    """The message of the catalogues."""
    (message,) = LETTER_CASES[say].sentences
    return message

"""Statements made up for the tests of documents, with no database behind them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from evbilling.money import from_minor, minor_unit, tax_minor
from evbilling.read_models.statement.view import (
    ACCOUNT,
    CONNECTOR,
    CORRECTION,
    Attempt,
    AuditEvent,
    ByHand,
    ChargerLines,
    CorrectedConnector,
    Correction,
    ExcludedByRule,
    Header,
    Item,
    ItemTotals,
    Line,
    Payment,
    RetryPlan,
    RunRecord,
    StatementRef,
    StatementView,
    Terms,
)

ISSUED = datetime(2026, 11, 1, 12, 3, tzinfo=UTC)

RUN = RunRecord(
    run_id=7,
    dag_id="connector_statements",
    airflow_run_id="scheduled__2026-11-01",
    period="2026-11",
    state="issued",
    actor="airflow",
    opened_at=ISSUED,
    warnings=[],
    has_validation_page=True,
    expectation_count=24,
    failed_critical=0,
    failed_others=1,
)


def connector_view(
    *, chargers: int = 3, currency: str = "EUR", fee_minor: int = 500, name: str | None = "Fleet GmbH", **changes: Any
) -> StatementView:
    """A connector statement of chargers with an AC and a DC connector each; DC costs double. Unpaid, never tried."""
    unit = minor_unit(currency) or 0
    ids = changes.pop("charger_ids", None) or [f"CH-{n:05d}" for n in range(chargers)]
    fee, dc_fee = from_minor(fee_minor, unit), from_minor(2 * fee_minor, unit)
    net = len(ids) * 3 * fee_minor
    tax = tax_minor(net, 190_000)
    header = _header(
        "A-202611-000042",
        CONNECTOR,
        "Account Chargers",
        currency,
        unit,
        net,
        tax,
        name=name,
        count_instant=datetime(2026, 10, 31, 23, tzinfo=UTC),
        ac_count=len(ids),
        dc_count=len(ids),
        terms=Terms(fee, dc_fee, True, False, "ann", ISSUED, "2026-01"),
        paid=from_minor(0, unit),
        balance=from_minor(net + tax, unit),
    )
    lines = tuple(ChargerLines(id_, (Line(1, "AC", fee), Line(2, "DC", dc_fee)), 1, 1, fee + dc_fee) for id_ in ids)
    view = _empty(header)
    return replace(view, **({"chargers": lines, "charger_count": len(ids)} | changes))


def paid_view(**options: Any) -> StatementView:
    """A connector statement that was declined once and paid then, with exclusions."""
    view = connector_view(**options)
    total = view.header.total
    return replace(
        view,
        header=replace(view.header, paid=total, balance=total * 0, status="Billing failure (resolved)"),
        excluded=(
            ExcludedByRule("NOT-IN-SERVICE", "The connector is planned or removed", 3),
            ExcludedByRule("SCOPE-CLOSED", "The charger is Closed and the account excludes closed chargers", 1200),
        ),
        payments=(Payment("gateway", "pi_3abc", date(2026, 11, 4), total, "airflow", ISSUED, None),),
        attempts=(
            _attempt(1, "declined", "insufficient_funds", total),
            _attempt(2, "succeeded", None, total),
        ),
    )


def failed_view(**options: Any) -> StatementView:
    """A connector statement whose only attempt was declined."""
    view = connector_view(**options)
    return replace(
        view,
        header=replace(view.header, status="Billing failure"),
        attempts=(_attempt(1, "declined", "expired_card", view.header.total),),
        plan=RetryPlan(None, "NEEDS-CUSTOMER", "declined until the customer acts"),
    )


def account_view(
    *, currency: str = "EUR", charges: int = 2, description: str = "Roaming session", **changes: Any
) -> StatementView:
    """An account statement: 10.00 owed before, a connector statement, charges (one settled before), a payment."""
    unit = minor_unit(currency) or 0
    rows = [
        ("opening_balance", "S-202610-000003", "Opening balance", 1000, 0, 0),
        ("connector_statement", "A-202611-000042", "Connector statement A-202611-000042", 4500, 855, 0),
        *(("charge", f"charge-{n}", description, 1000, 190, 1190 if n == 0 else 0) for n in range(charges)),
        ("payment", "pi_3abc", "Payment of A-202611-000042", -5355, 0, 0),
    ]
    items = tuple(
        Item(kind, id_, ISSUED, says, *(from_minor(n, unit) for n in (net, tax, net + tax, settled)), kind)
        for kind, id_, says, net, tax, settled in rows
    )
    items = tuple(replace(item, concerns="A-202611-000042") if item.kind == "payment" else item for item in items)
    return replace(_account_statement(items, currency), **changes)


def _account_statement(items: tuple[Item, ...], currency: str) -> StatementView:
    totals = []
    unit = minor_unit(currency) or 0
    for kind in dict.fromkeys(item.kind for item in items):
        of_kind = [item for item in items if item.kind == kind]
        sums = [sum((getattr(i, f) for i in of_kind), Decimal(0)) for f in ("net", "tax", "total", "settled")]
        totals.append(ItemTotals(kind, len(of_kind), *sums))
    closing = sum(int(t.moves.scaleb(unit)) for t in totals)
    header = _header("S-202611-000007", ACCOUNT, "Account Statement", currency, unit, closing, 0, tax_rate=Decimal(0))
    header = replace(header, statement_date=date(2026, 11, 30))
    return replace(_empty(header), items=items, item_totals=tuple(totals))


def correction_view(*, net_minor: int = -500, charger_id: str = "CH-00001", **changes: Any) -> StatementView:
    """A credit of one AC connector."""
    tax = -tax_minor(-net_minor, 190_000) if net_minor < 0 else tax_minor(net_minor, 190_000)
    header = _header(
        "C-202611-000001", CORRECTION, "Correction", "EUR", 2, net_minor, tax, corrects="A-202611-000042", revision=1
    )
    line = CorrectedConnector(
        charger_id, 1, "AC", Decimal("5.00"), None, "NOT-IN-SERVICE", "The connector is planned or removed"
    )
    view = replace(
        _empty(header),
        original=StatementRef("A-202611-000042", date(2026, 11, 1)),
        corrected=(line,),
        corrected_count=1,
        audit=(AuditEvent(ISSUED, "ann", "issue_correction", "was out of order"),),
    )
    return replace(view, **changes)


# What finance writes for itself. No customer may read it.
INTERNAL = "internal-7f3a"


# What a credit by hand says to its customer.
BY_HAND = ByHand("goodwill", INTERNAL, INTERNAL, "Roaming session")


def every_document() -> dict[str, StatementView]:
    """Statements that have, together, every sentence and every row that a document can have."""
    day, amount = date(2026, 11, 5), Decimal("5.00")
    outside = Payment("outside", "paid-outside-1", day, amount, INTERNAL, ISSUED, "SEPA 4711")
    returned = replace(outside, paid_by="gateway", payment_id="pi_1-refunded-1", amount=-amount, reference="refund")
    paid, failed, correction = paid_view(), failed_view(), correction_view()
    rules = (
        "STATION-ITSELF",
        "NOT-IN-SERVICE",
        "SCOPE-CLOSED",
        "SCOPE-PRIVATE",
        "FEE-ZERO",
        "BILLED-ELSEWHERE",
        "GONE",
    )
    note = Correction("C-202611-000001", day, -amount, -amount, -amount * 2, INTERNAL, 3, ())
    (line,) = correction.corrected
    audit = (AuditEvent(ISSUED, "ann", "issue_correction", INTERNAL),)
    documents = {
        "issued": connector_view(),
        "paid": replace(
            paid,
            corrections=(note,),
            excluded=tuple(ExcludedByRule(rule, INTERNAL, 3) for rule in (*rules, "GONE")),
            payments=(
                *paid.payments,
                outside,
                replace(outside, amount=-amount, reverses_payment_id="paid-outside-1"),
                replace(returned, reverses_payment_id="pi_1"),
                replace(outside, payment_id="paid-outside-refund-1", amount=-amount),
            ),
        ),
        "failed": replace(
            failed,
            attempts=(replace(failed.attempts[0], decline_code=INTERNAL),),
            plan=RetryPlan(None, "UNACCOUNTED-PAYMENT", INTERNAL),
        ),
        "under way": replace(failed, attempts=(replace(failed.attempts[0], outcome="unknown"),)),
        "refused by the gateway": replace(failed, attempts=(replace(failed.attempts[0], outcome="refused"),)),
        "one connector": connector_view(chargers=1, charger_count=1),
        "many chargers": replace(connector_view(), charger_count=2_000),
        "countless chargers": replace(connector_view(), charger_count=20_000),
        "archived": connector_view(is_archived=True),
        "account": _account_statement(_every_item(), "EUR"),
        "part of an account": replace(_account_statement(_every_item(), "EUR"), items=_every_item()[:3]),
        "credit": replace(
            correction,
            corrected=(line, replace(line, rule_id=None), replace(line, rule_id=None, after=Decimal("4.00"))),
            corrected_count=3,
            audit=audit,
        ),
        "debit": replace(
            correction_view(net_minor=500),
            corrected=(replace(line, before=None, after=amount, rule_id=None),),
            audit=audit,
        ),
        "credit by hand": replace(correction, corrected=(), corrected_count=0, by_hand=BY_HAND, audit=audit),
        "written off": replace(failed, written_off=amount),
        "many corrected": replace(correction, corrected_count=2_000),
    }
    for status in ("Issued", "Paid", "Partly paid", "Paid manually", "Billing failure", "Billing failure (resolved)"):
        documents[status] = replace(connector_view(), header=replace(connector_view().header, status=status))
    return documents


def _every_item() -> tuple[Item, ...]:
    day, statement = date(2026, 11, 5), "A-202611-000042"
    rows: list[tuple[str, str, int, int, int, dict[str, Any]]] = [
        ("opening_balance", "S-202610-000003", 1000, 0, 0, {}),
        ("connector_statement", statement, 4500, 855, 0, {}),
        ("correction", "C-202611-000001", -500, -95, 0, {"concerns": statement}),
        ("charge", "charge-1", 1000, 190, 1190, {}),
        ("payment", "pi_1", -5355, 0, 0, {"concerns": statement}),
        ("payment", "pi_1-refunded-1", 500, 0, 0, {"event": "refund", "concerns": statement}),
        ("payment", "pi_1-refunded-2", 500, 0, 0, {"event": "dispute", "concerns": statement}),
        ("payment", "pi_1-credited-1", -500, 0, 0, {"event": "credit", "concerns": statement}),
        ("paid_outside", "paid-outside-1", -500, 0, 0, {"concerns": statement, "paid_on": day, "reference": "SEPA 1"}),
        (
            "paid_outside",
            "paid-outside-1-undone",
            500,
            0,
            0,
            {"event": "undo", "concerns": statement, "paid_on": day, "reference": "SEPA 1"},
        ),
        ("payment", "written-off-1", -500, 0, 0, {"event": "write_off", "concerns": statement}),
        ("payment", "written-off-1-undone", 500, 0, 0, {"event": "unwritten", "concerns": statement}),
        (
            "paid_outside",
            "paid-outside-refund-2",
            500,
            0,
            0,
            {"event": "sent_back", "concerns": statement, "paid_on": day, "reference": "SEPA 1"},
        ),
        ("paid_outside", "settled/charge-1/1190", -500, 0, 0, {"event": "settled", "reference": "Roaming session"}),
    ]
    return tuple(
        Item(
            kind,
            id_,
            ISSUED,
            "Roaming session" if kind == "charge" else INTERNAL,
            *(from_minor(n, 2) for n in (net, tax, net + tax, settled)),
            **({"event": kind} | more),
        )
        for kind, id_, net, tax, settled, more in rows
    )


def _attempt(number: int, outcome: str, decline_code: str | None, amount: Decimal) -> Attempt:
    return Attempt(number, "issue", "airflow", ISSUED, amount, outcome, decline_code, "pm_1", "pi_3abc", ISSUED)


def _header(
    statement_id: str, kind: str, label: str, currency: str, unit: int, net: int, tax: int, **more: Any
) -> Header:
    values: dict[str, Any] = {
        "account_id": "acme",
        "account_name": more.pop("name", "Fleet GmbH"),
        "financial_admin_id": "fa-acme",
        "period": "2026-11",
        "revision": 0,
        "statement_date": date(2026, 11, 1),
        "time_zone": "Europe/Berlin",
        "count_instant": None,
        "issued_at": ISSUED,
        "tax_rate": Decimal("0.19"),
        "paid": None,
        "balance": None,
        "status": "Issued",
        "ac_count": None,
        "dc_count": None,
        "terms": None,
        "corrects": None,
        "code_version": "1",
        "run_id": 7,
    }
    return Header(
        statement_id=statement_id,
        kind=kind,
        type_label=label,
        currency=currency,
        minor_unit=unit,
        net=from_minor(net, unit),
        tax=from_minor(tax, unit),
        total=from_minor(net + tax, unit),
        **(values | more),
    )


def _empty(header: Header) -> StatementView:
    return StatementView(
        header=header,
        is_archived=False,
        chargers=(),
        charger_count=0,
        excluded=(),
        is_excluded_counted=True,
        payments=(),
        attempts=(),
        plan=None,
        corrections=(),
        listed_on=(),
        items=(),
        item_totals=(),
        original=None,
        corrected=(),
        corrected_count=0,
        run=RUN,
        audit=(),
    )

"""A billing setting typed into a form: all fields are checked at once, each error belongs to its field. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from decimal import Decimal
from typing import Any, cast

from evbilling.errors import BadInput
from evbilling.money import as_price, decimals, minor_unit
from evbilling.period import Period
from evbilling.platform import AppUser
from evbilling.settings import fields
from evbilling.settings.terms import BillingTerms

_CHECKBOXES = ("charge_connectors", "exclude_closed", "exclude_private")


@dataclass(frozen=True, slots=True)
class TypedSetting:
    """The form's fields as they were typed; an empty `fee_per_dc_connector` means the same fee."""

    charge_connectors: bool = False
    financial_admin_id: str = ""
    fee_per_connector: str = ""
    fee_per_dc_connector: str = ""
    tax_percent: str = ""
    exclude_closed: bool = False
    exclude_private: bool = False
    effective_from: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CheckedSetting:
    """The terms of a form, or None and the errors by field. The reason isn't checked here."""

    terms: BillingTerms | None
    errors: Mapping[str, str]


def typed_setting(values: Mapping[str, str]) -> TypedSetting:
    """The fields that a browser sent: a checkbox is there or not; texts are stripped, except the admin's id."""
    # The warehouse can't store a NUL, and no browser sends one.
    names = [field.name for field in fields_of(TypedSetting) if field.name not in _CHECKBOXES]
    given = {name: values.get(name, "").replace("\x00", "\ufffd") for name in names}
    texts = {name: text if name == "financial_admin_id" else text.strip() for name, text in given.items()}
    ticks = {name: bool(values.get(name)) for name in _CHECKBOXES}
    return TypedSetting(**cast("dict[str, Any]", texts | ticks))


def as_typed(terms: BillingTerms | None, effective_from: Period, currency: str | None) -> TypedSetting:
    """The form to start with: these terms from another period on, or an empty form."""
    if terms is None:
        return TypedSetting(effective_from=str(effective_from))
    dc_fee = terms.fee_per_dc_connector
    return TypedSetting(
        charge_connectors=terms.charge_connectors,
        financial_admin_id=terms.financial_admin_id or "",
        fee_per_connector=f"{as_price(terms.fee_per_connector, currency):f}",
        fee_per_dc_connector="" if dc_fee is None else f"{as_price(dc_fee, currency):f}",
        tax_percent=f"{fields.percent_of(terms.tax_rate):f}",
        exclude_closed=terms.exclude_closed,
        exclude_private=terms.exclude_private,
        effective_from=str(effective_from),
    )


def check_setting(
    form: TypedSetting, account_id: str, currency: str | None, admin: AppUser | None, why_not: str | None = None
) -> CheckedSetting:
    """Check all fields; `admin` is the platform's user with the chosen id, `why_not` why it isn't clear which.

    Anything that would quarantine the account is refused, but only if it is charged: switching that off always works.
    """
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    parsers: dict[str, Callable[[], Any]] = {
        "effective_from": lambda: fields.parse_effective_from(form.effective_from),
        "financial_admin_id": lambda: _admin(form, account_id, admin, why_not),
        "fee_per_connector": lambda: _fee(form, form.fee_per_connector, currency),
        "fee_per_dc_connector": lambda: (
            _fee(form, form.fee_per_dc_connector, currency) if form.fee_per_dc_connector else None
        ),
        "tax_percent": lambda: fields.parse_tax_percent(form.tax_percent.removesuffix("%").rstrip()),
    }
    for name, parse in parsers.items():
        try:
            values[name] = parse()
        except BadInput as error:
            errors[name] = error.what
    if errors:
        return CheckedSetting(None, errors)
    return CheckedSetting(
        BillingTerms(
            account_id=account_id,
            charge_connectors=form.charge_connectors,
            exclude_closed=form.exclude_closed,
            exclude_private=form.exclude_private,
            tax_rate=values.pop("tax_percent"),
            **values,
        ),
        {},
    )


def check_reason(form: TypedSetting) -> dict[str, str]:
    """{"reason": the error}, or empty."""
    try:
        fields.parse_reason(form.reason)
    except BadInput as error:
        return {"reason": error.what}
    return {}


def _fee(form: TypedSetting, text: str, currency: str | None) -> Decimal:
    fee = fields.parse_fee(text)
    unit = minor_unit(currency)
    if form.charge_connectors and unit is not None and decimals(fee) > unit:
        allowed = f"{unit} decimals" if unit > 1 else "1 decimal" if unit else "no decimals"
        raise BadInput(f"{text} can't be paid exactly: {currency} has {allowed}")
    return fee


def _admin(form: TypedSetting, account_id: str, admin: AppUser | None, why_not: str | None) -> str | None:
    chosen = form.financial_admin_id
    if not form.charge_connectors:
        return fields.parse_id(chosen) or None
    if not chosen:
        raise BadInput("choose who is charged and gets the statements")
    if why_not and admin is None:
        raise BadInput(why_not)
    if admin is None:
        raise BadInput(f"the platform has no user {chosen}; choose another")
    if admin.account_id != account_id:
        raise BadInput(f"the user {admin.label} is not one of this account; choose another")
    if not admin.active:
        raise BadInput(f"the user {admin.label} is inactive; choose another, or activate this one in the platform")
    return chosen

"""Billing settings of an account: effective-dated by period, append-only, with who and when."""

from evbilling.settings.file import COLUMNS, read_settings, write_settings
from evbilling.settings.form import CheckedSetting, TypedSetting, as_typed, check_reason, check_setting, typed_setting
from evbilling.settings.periods import BillingState, PeriodChoice, notes_on_saving, period_choices, preview_period
from evbilling.settings.store import (
    SettingChanged,
    billing_state,
    effective_settings,
    next_period,
    record_setting,
    record_settings,
    recorded_settings,
    settings_of,
    terms_in_force,
)
from evbilling.settings.terms import COMPARED, BillingTerms, HistoryEntry, RecordedTerms, carry_over, history_of

__all__ = [
    "COLUMNS",
    "COMPARED",
    "BillingState",
    "BillingTerms",
    "CheckedSetting",
    "HistoryEntry",
    "PeriodChoice",
    "RecordedTerms",
    "SettingChanged",
    "TypedSetting",
    "as_typed",
    "billing_state",
    "carry_over",
    "check_reason",
    "check_setting",
    "effective_settings",
    "history_of",
    "next_period",
    "notes_on_saving",
    "period_choices",
    "preview_period",
    "read_settings",
    "record_setting",
    "record_settings",
    "recorded_settings",
    "settings_of",
    "terms_in_force",
    "typed_setting",
    "write_settings",
]

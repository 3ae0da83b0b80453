"""Runs a suite on a frame and returns plain findings, one per expectation; shows a run's findings as a page."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from evbilling.errors import SetFault
from evbilling.findings import Finding

if TYPE_CHECKING:
    import great_expectations as gx
    import pandas as pd

# Facts in words that make a month doubtful but not wrong, and what should be so instead.
_ALIKE = "have ids that differ only in case, separators, blanks or what can't be seen"
DOUBTS = {
    "missed_months": "Every month since the last one billed was billed",
    "homeless": "Every charger belongs to an account that the platform knows",
    "strange_users": "Every user belongs to an account that the platform knows",
    "alike_accounts": f"No two accounts {_ALIKE}",
    "alike_chargers": f"No two chargers that are counted {_ALIKE}",
    "stray_connectors": "Every connector is under a charger that the platform knows",
}

# More examples of a failure would only fill the page.
_SAMPLE = 5


class Validator:
    """An in-memory Great Expectations context; stores nothing and sends nothing."""

    def __init__(self) -> None:
        import great_expectations as gx

        # This module of theirs sets its own level, to log a temporary folder.
        logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        source = self._context.data_sources.add_pandas("month")
        self._batches = source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("whole")

    def validate(self, frame: pd.DataFrame, suite: gx.ExpectationSuite, **parameters: object) -> list[Finding]:
        """Every expectation of `suite` on `frame`. An expectation that can't be evaluated counts as failed."""
        batch = self._batches.get_batch(batch_parameters={"dataframe": frame})
        results = batch.validate(
            suite,
            expectation_parameters=parameters,
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": _SAMPLE},
        )
        return [_finding(suite.name, result) for result in results.results]


def stop_if_critical(findings: Sequence[Finding], period: str) -> None:
    """Raise `SetFault` that names every critical failure; return if there is none."""
    failures = [finding.sentence() for finding in findings if finding.is_stopping]
    if failures:
        raise SetFault(
            "\n  ".join(["validation failed; nothing is published", *failures]),
            where=period,
            fix="fix the source and run the period again; the run's Params can set another limit for one run",
        )


def validation_page(period: str, run_id: int, findings: Sequence[Finding]) -> str:
    """One self-contained HTML page with every finding, failures first within each suite."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("evbilling.expectations"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    ordered = sorted(findings, key=lambda f: (f.suite, f.shard or 0, f.success))
    return environment.get_template("validation.html").render(
        period=period,
        run_id=run_id,
        suites=[(suite, list(group)) for suite, group in groupby(ordered, key=lambda f: f.suite)],
        critical=sum(f.is_stopping for f in findings),
        warnings=sum(not f.success and not f.is_stopping for f in findings),
        total=len(findings),
    )


def _finding(suite: str, result: Any) -> Finding:
    config = result.expectation_config
    details: Mapping[str, Any] = result.result or {}
    error = _exception_message(result.exception_info)
    observed = error or details.get("observed_value")
    count = details.get("unexpected_count")
    # For a single row, the example is enough.
    if observed is None and count and details.get("element_count") != 1:
        observed = f"{count:,} of {details.get('element_count', 0):,} not so"
    severity = getattr(config.severity, "value", config.severity) or "critical"
    return Finding(
        suite=suite,
        shard=None,
        expectation=config.type,
        says=(config.meta or {}).get("says", config.type),
        severity=str(severity),
        success=bool(result.success),
        observed=None if observed is None else str(observed),
        unexpected_count=None if count is None else int(count),
        sample=_examples(details.get("partial_unexpected_list") or []),
    )


def _examples(values: Sequence[object]) -> tuple[str, ...]:
    """Distinct values as text; a mere true or false shows nothing."""
    shown = dict.fromkeys(map(str, values))
    return tuple(value for value in shown if value not in {"True", "False"})[:_SAMPLE]


def _exception_message(info: Mapping[str, Any] | None) -> str | None:
    """Great Expectations gives either one exception's info or a mapping of several."""
    if not info:
        return None
    for entry in [info, *[value for value in info.values() if isinstance(value, Mapping)]]:
        if entry.get("raised_exception"):
            return f"the check itself failed: {entry.get('exception_message')}"
    return None

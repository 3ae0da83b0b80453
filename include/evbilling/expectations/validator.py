"""Runs a suite on a frame and gives back plain results, one per expectation."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import great_expectations as gx
import pandas as pd

from evbilling.errors import SetFault
from evbilling.findings import Finding

# A few examples tell what is wrong; more of them would only fill the table.
_SAMPLE = 5


class Validator:
    """An in-memory Great Expectations context; keeps nothing, sends nothing."""

    def __init__(self) -> None:
        # This module of theirs sets its own level, to tell of a temporary folder that nobody asked about.
        logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        source = self._context.data_sources.add_pandas("month")
        self._batches = source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("whole")

    def validate(
        self,
        frame: pd.DataFrame,
        suite: gx.ExpectationSuite,
        *,
        shard: int | None = None,
        **parameters: object,
    ) -> list[Finding]:
        """Every expectation of `suite` on `frame`. An expectation that can't be evaluated counts as failed."""
        batch = self._batches.get_batch(batch_parameters={"dataframe": frame})
        results = batch.validate(
            suite,
            expectation_parameters=parameters,
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": _SAMPLE},
        )
        return [_finding(suite.name, shard, result) for result in results.results]


def stop_if_critical(findings: list[Finding], period: str) -> None:
    """Raise `SetFault` that names every critical failure; return if there is none."""
    failures = [finding.sentence() for finding in findings if finding.is_stopping]
    if failures:
        raise SetFault(
            "\n  ".join(["validation failed; nothing is published", *failures]),
            where=period,
            fix="mend the source and run the period again; a limit can be set for one run by its Params",
        )


def _finding(suite: str, shard: int | None, result: Any) -> Finding:
    config = result.expectation_config
    details: Mapping[str, Any] = result.result or {}
    error = _exception_message(result.exception_info)
    observed = error or details.get("observed_value")
    count = details.get("unexpected_count")
    # Of a single row, the example says it all.
    if observed is None and count and details.get("element_count") != 1:
        observed = f"{count:,} of {details.get('element_count', 0):,} not so"
    severity = getattr(config.severity, "value", config.severity) or "critical"
    return Finding(
        suite=suite,
        shard=shard,
        expectation=config.type,
        says=(config.meta or {}).get("says", config.type),
        severity=str(severity),
        success=bool(result.success),
        observed=None if observed is None else str(observed),
        unexpected_count=None if count is None else int(count),
        sample=_examples(details.get("partial_unexpected_list") or []),
    )


def _examples(values: Sequence[object]) -> tuple[str, ...]:
    """Different values, as people read them; a mere true or false is no example of anything."""
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

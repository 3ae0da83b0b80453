"""The validation results of a run as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from evbilling.findings import Finding


def validation_page(period: str, run_id: int, findings: Sequence[Finding]) -> str:
    """HTML with every finding, failures first within each suite."""
    environment = Environment(
        loader=PackageLoader("evbilling.expectations"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    ordered = sorted(findings, key=lambda f: (f.suite, f.shard or 0, f.success))
    suites = [(suite, list(group)) for suite, group in groupby(ordered, key=lambda f: f.suite)]
    return environment.get_template("validation.html").render(
        period=period,
        run_id=run_id,
        suites=suites,
        critical=sum(f.is_stopping for f in findings),
        warnings=sum(not f.success and not f.is_stopping for f in findings),
        total=len(findings),
    )

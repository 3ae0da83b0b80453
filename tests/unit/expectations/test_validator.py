"""The validation page: every finding on it, failures first, and no word of a source runs as HTML."""

from __future__ import annotations

import warnings
from dataclasses import replace

with warnings.catch_warnings():
    # Great Expectations imports modules that Python 3.11 calls deprecated: nothing of ours.
    warnings.filterwarnings("ignore", r"module 'sre_\w+' is deprecated", DeprecationWarning)
    import great_expectations  # ruff: ignore[unused-import]

from evbilling.expectations import validation_page
from evbilling.findings import Finding

GOOD = Finding("inventory", 0, "expect_a", "Every connector names its charger", "critical", True, None, 0, ())
BAD = replace(
    GOOD, says="Every connector has a known status", success=False, observed="3 of 9 not so", sample=("broken",)
)
ODD = replace(
    BAD, suite="accounts", shard=None, severity="warning", says="Most accounts are without a fault", sample=()
)


def test_every_finding_is_on_the_page_failures_first() -> None:
    """All sentences are there, and within a suite a failure stands before what holds."""
    page = validation_page("2026-11", 7, [GOOD, BAD, ODD])
    assert page.index(BAD.says) < page.index(GOOD.says)
    assert ODD.says in page
    assert "3 of 9 not so" in page
    assert "2026-11" in page


def test_what_a_source_says_is_text_not_html() -> None:
    """A sample with a tag in it is shown as it stands."""
    page = validation_page("2026-11", 7, [replace(BAD, sample=("<script>alert(1)</script>",))])
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No link, script or picture leads out of the page."""
    page = validation_page("2026-11", 7, [GOOD])
    assert "http://" not in page
    assert "https://" not in page
    assert "src=" not in page


def test_only_critical_failures_stop() -> None:
    """A warning that fails and a critical one that holds don't stop a month."""
    assert [finding.is_stopping for finding in (GOOD, BAD, ODD)] == [False, True, False]
    assert BAD.sentence() == (
        "inventory (shard 0): expected: Every connector has a known status: found 3 of 9 not so, for example broken"
    )

"""What a long command shows: a bar on a terminal, nothing but a line each half minute elsewhere."""

from __future__ import annotations

import sys

import pytest

from evbilling.cli import bars
from evbilling.progress import SteadyClock


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done, how far it is, and no trace on standard output, which may be a file."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with bars.bar("Archiving [2024-01]") as progress:
        progress.begin("decisions copied", 4_000)
        progress.advance(1_000)
    shown = capsys.readouterr()
    assert "Archiving [2024-01]" in shown.err
    assert "1,000 of 4,000 decisions copied" in shown.err
    assert shown.out == ""


def test_lines_without_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick command writes none; a long one writes one each half minute."""
    with bars.bar("Migrating the warehouse"):
        pass
    assert capsys.readouterr() == ("", "")
    # The half minute is over at once.
    monkeypatch.setattr(SteadyClock, "wait", lambda _, news, __: news.wait(0.05))
    with bars.bar("Archiving 2024-01") as progress:
        progress.advance(3)
        progress.begin("decisions copied", 4_000)
        progress.advance(1_000)
        while not (err := capsys.readouterr().err):
            pass
    assert err.startswith("Archiving 2024-01: 1,000 of 4,000 decisions copied")

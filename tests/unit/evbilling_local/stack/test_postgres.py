"""The user as whom Postgres runs for root: made once, also when two first starts make it at the same moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from evbilling.errors import NotReady
from evbilling_local.stack import postgres


def answer(folder: Path, monkeypatch: pytest.MonkeyPatch, *codes: int) -> Path:
    """A `useradd` that ends with these codes, one a call; returns the file in which it counts them."""
    calls = folder / "calls"
    program = folder / "useradd"
    cases = "".join(f"{number}) exit {code};; " for number, code in enumerate(codes, 1))
    lines = [
        "#!/bin/sh",
        f'echo "$@" >>{calls}',
        "echo locked >&2",
        f"case $(wc -l <{calls} | tr -d ' ') in {cases}*) exit 1;; esac",
    ]
    program.write_text("\n".join(lines), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return calls


@pytest.mark.parametrize("codes", [(0,), (9,), (1, 0), (1, 9)])
def test_the_user_is_there_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...]) -> None:
    """Made by us, there already, or made by another first start while the list of users was locked."""
    calls = answer(tmp_path, monkeypatch, *codes)
    postgres._make_system_user()
    assert calls.read_text(encoding="utf-8").splitlines() == [f"--system {postgres.SYSTEM_USER}"] * len(codes)


def test_one_that_cannot_be_made_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `useradd` says is quoted; where there is no such program, that."""
    answer(tmp_path, monkeypatch)
    with pytest.raises(NotReady, match="can't be made: locked"):
        postgres._make_system_user()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotReady, match=r"can't be made: .*useradd"):
        postgres._make_system_user()

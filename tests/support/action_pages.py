"""What the tests of actions share: a world behind the pages, a fake Airflow, forms filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from fastapi.testclient import TestClient

from tests.support.fake_airflow import FakeAirflow
from tests.support.payments import PaymentWorld
from tests.support.web import PREFIX


@dataclass
class ActionPages:
    """The pages over a world, with an Airflow behind them."""

    world: PaymentWorld
    airflow: FakeAirflow
    opened: Callable[..., TestClient]

    def get(self, path: str, role: str = "user", **headers: str) -> Any:
        """The page at a path below the app."""
        return self.opened(role).get(PREFIX + path, headers=headers)

    def ask(self, name: str, *statements: str, role: str = "user", **query: str) -> Any:
        """The page of an action on these statements."""
        return self.opened(role).get(f"{PREFIX}/actions/{name}", params={"statement": list(statements), **query})

    def form(self, name: str, *statements: str, role: str = "user", **query: str) -> dict[str, list[str]]:
        """The fields of that page's form with their first values."""
        answer = self.ask(name, *statements, role=role, **query)
        assert answer.status_code == 200, answer.text
        return fields(answer.text)

    def send(self, name: str, form: Mapping[str, Sequence[str]], role: str = "user", **changes: Any) -> Any:
        """Send the form, with some of its fields filled in."""
        filled = {**form, **{field: value for field, value in changes.items()}}
        return self.opened(role).post(f"{PREFIX}/actions/{name}", data=filled)

    def do(self, name: str, *statements: str, role: str = "user", **typed: Any) -> str:
        """Ask, fill in, send, and let Airflow work: the page of the run at its end."""
        answer = self.send(name, self.form(name, *statements, role=role), role, **typed)
        assert answer.status_code == 303, words(answer.text)
        self.airflow.work()
        page = self.opened(role).get(answer.headers["location"])
        assert page.status_code == 200, page.text
        return words(page.text)


class _Fields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name")
        if tag == "textarea" and name:
            self._area = name
            self.found.setdefault(name, []).append("")
        if tag != "input" or not name:
            return
        if given.get("type") != "radio" or "checked" in given:
            self.found.setdefault(name, []).append(given.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self._area:
            # A form drops the line's end that follows the tag.
            self.found[self._area][-1] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None


def fields(page: str) -> dict[str, list[str]]:
    """The form fields of a page, with the values that a browser would send."""
    parser = _Fields()
    parser.feed(page)
    return parser.found


def words(page: str) -> str:
    """What a page says, without its markup, each run of blanks one."""
    said = _Words()
    said.feed(page)
    return re.sub(r"\s+", " ", " ".join(said.parts)).strip()


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

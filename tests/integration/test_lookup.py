"""Looking accounts and users up at the platform: the same answers from a database and from files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evbilling.errors import TransientError
from evbilling.platform import AccountRow, AppUser, PlatformLookup
from evbilling.platform.access import open_lookup
from evbilling.platform.files import lookup as file_lookup
from tests.support.month import Platform
from tests.support.platform_files import as_files

pytestmark = pytest.mark.postgres


@pytest.fixture(params=["database", "files"])
def platform(request: Any, platform_db: str, tmp_path: Path) -> Iterator[PlatformLookup]:
    """Seven accounts, one of them twice; users of every kind."""
    world = Platform(platform_db)
    for account in ("A-1", "a-2", "B 50%", "b_3", "c/4", "c/4", "d'5", "Ä"):
        world.account(account)
    for user, active in (("zoe", True), ("adam", True), ("gone", False), ("unsaid", None)):
        world.user(user, "A-1", active=active)
    world.user("other", "a-2")
    world.save()
    world.execute("update platform.account set name = 'Grüne Flotte' where account_id = 'b_3'")
    world.execute("update platform.account set name = null where account_id = 'd''5'")
    file_lookup.clear_cache()
    yield open_lookup(platform_db if request.param == "database" else as_files(platform_db, tmp_path / "files"))
    file_lookup.clear_cache()


def ids(found: Any) -> list[str]:
    return [row.account_id for row in found.rows]


def test_accounts_are_listed_once_in_order_of_their_ids(platform: PlatformLookup) -> None:
    found = platform.find_accounts()
    assert ids(found) == ["A-1", "B 50%", "a-2", "b_3", "c/4", "d'5", "Ä"]
    assert (found.has_earlier, found.has_later) == (False, False)
    assert found.rows[0] == AccountRow("A-1", "Name of A-1", "DE", "Europe/Berlin", "EUR")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a-", ["A-1", "a-2"]),
        ("%", ["B 50%"]),
        ("_", ["b_3"]),
        ("/4", ["c/4"]),
        ("flotte", ["b_3"]),
        ("d'5", ["d'5"]),
        ("\\", []),
        ("name of a", ["A-1", "a-2"]),
    ],
)
def test_a_search_is_for_what_stands_in_id_or_name(platform: PlatformLookup, text: str, expected: list[str]) -> None:
    assert ids(platform.find_accounts(text)) == expected


def test_pages_go_forwards_and_back(platform: PlatformLookup) -> None:
    first = platform.find_accounts(size=3)
    assert (ids(first), first.has_earlier, first.has_later) == (["A-1", "B 50%", "a-2"], False, True)
    second = platform.find_accounts(size=3, after="a-2")
    assert (ids(second), second.has_earlier, second.has_later) == (["b_3", "c/4", "d'5"], True, True)
    third = platform.find_accounts(size=3, after="d'5")
    assert (ids(third), third.has_earlier, third.has_later) == (["Ä"], True, False)
    back = platform.find_accounts(size=3, before="Ä")
    assert (ids(back), back.has_earlier, back.has_later) == (["b_3", "c/4", "d'5"], True, True)
    assert platform.find_accounts(size=3, before="b_3") == type(first)(first.rows, False, True)


def test_an_account_with_its_users(platform: PlatformLookup) -> None:
    assert len(platform.account_rows(["c/4", "nobody"])) == 2
    assert [user.user_id for user in platform.active_users("A-1")] == ["adam", "zoe"]
    assert [user.user_id for user in platform.active_users("A-1", limit=1)] == ["adam"]
    assert platform.active_users("nobody") == []
    found = {user.user_id: bool(user.active) for user in platform.users(["zoe", "gone", "unsaid", "nobody"])}
    assert found == {"zoe": True, "gone": False, "unsaid": False}


def test_a_user_is_called_by_what_is_known() -> None:
    assert AppUser("u", "a", "Ann", "ann@example.org", True).label == "Ann · ann@example.org"
    assert AppUser("u", "a", None, "ann@example.org", True).label == "ann@example.org"
    assert AppUser("u", "a", None, None, True).label == "u"


def test_a_platform_that_does_not_answer() -> None:
    with pytest.raises(TransientError, match="can't connect"):
        open_lookup("postgresql://127.0.0.1:9/x").find_accounts()

"""One local stack for all end-to-end tests: they bill months of their own on it, in the order of the files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stack import ACCOUNT_STATEMENTS, CONNECTOR_STATEMENTS, MONTH, PLATFORM, Stack, command


# Of the package, not the session: a stack at rest is four busy processes beside all tests that come after.
@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole stack of its own with a platform of 60 accounts, its DAGs un-paused, and no run under way."""
    home = tmp_path_factory.mktemp("e2e") / "home"
    try:
        command(home, "up")
        command(home, "platform", "sample", *PLATFORM)
        stack = Stack(home)
        stack.unpause(CONNECTOR_STATEMENTS)
        yield stack
        stack.api.close()
    finally:
        command(home, "down", timeout=120)


@pytest.fixture(scope="package")
def billed(stack: Stack) -> str:
    """The id of a finished run of `MONTH`, which is mailed at once, on whatever day these tests run."""
    # Months long before it may be billed already, of fewer connectors.
    conf = {"deliver": "yes", "max_count_change_percent": 100}
    assert stack.run(CONNECTOR_STATEMENTS, "first", partition_key=MONTH, conf=conf) == "success"
    return "first"


@pytest.fixture(scope="package")
def stated(stack: Stack, billed: str) -> str:
    """The id of a finished month's end of `MONTH`."""
    stack.unpause(ACCOUNT_STATEMENTS)
    assert stack.run(ACCOUNT_STATEMENTS, "end", partition_key=MONTH) == "success"
    return "end"

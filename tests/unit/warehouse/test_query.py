"""The SQL files: which folder they are in, who uses them, what is in them; and how they are filled in."""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from evbilling.errors import NotReady
from evbilling.warehouse import query

ROOT = Path(__file__).resolve().parents[3]
MODULES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for folder in ("include/evbilling", "include/evbilling_local", "plugins")
    for path in (ROOT / folder).rglob("*.py")
}
WRITES = re.compile(
    r"\b(insert\s+into|update\s+\w+\S*(\s+\w+)?\s+set|delete\s+from|merge\s+into|copy|create|alter|drop|truncate|grant|"
    r"revoke|lock|analyze|for\s+(no\s+key\s+)?update|for\s+share|nextval|setval|call|do)\b",
    re.IGNORECASE,
)
STATEMENT = re.compile(
    r"\s*(select|insert\s+into|update|delete\s+from|with|create|alter|drop|grant|copy)\s", re.IGNORECASE
)
LONGEST = 2
# Run before there is a warehouse, or by its path.
BY_PATH = {"local/platform"}


def files(folder: str) -> set[str]:
    """The SQL files of a folder, as `<package>/<name>`."""
    root = query.SQL_ROOT / folder
    return {path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.sql")}


QUERIES = files("queries")
SCRIPTS = files("scripts")
PACKAGES = {name.rpartition("/")[0] for name in QUERIES | SCRIPTS}


def texts(module: ast.Module) -> Iterator[tuple[int, int, str, bool]]:
    """The texts of a module that aren't documentation: first and last line, text, whether more follows (f-strings)."""
    documentation = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
        if id(node) not in documentation and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield node.lineno, node.end_lineno or node.lineno, first.value, first is not node


def is_name(text: str) -> bool:
    package, _, name = text.rpartition("/")
    return package in PACKAGES and name.isidentifier()


def named() -> dict[str, set[str]]:
    """What code calls SQL files, `<package>/<name>`, with the packages that do.

    A package with a helper of its own names itself once, f"payments/{name}": each text in it may be a name then.
    """
    found: dict[str, set[str]] = defaultdict(set)
    plain: dict[str, set[str]] = defaultdict(set)
    prefixes: dict[str, set[str]] = defaultdict(set)
    for path, module in MODULES.items():
        is_at_root = path.parent.name in {"evbilling", "evbilling_local"}
        package = (path.with_suffix("") if is_at_root else path.parent).relative_to(ROOT).as_posix()
        for _, _, text, is_prefix in texts(module):
            if is_prefix and text.endswith("/"):
                prefixes[package].add(text)
            elif is_name(text):
                found[text].add(package)
            elif text.isidentifier():
                plain[package].add(text)
    for package, started in prefixes.items():
        for prefix, text in itertools.product(started, plain[package]):
            found[prefix + text].add(package)
    return found


def test_queries_only_read() -> None:
    for name in QUERIES:
        text = re.sub(r"--.*|'(?:[^']|'')*'", "", query.load_sql(f"queries/{name}.sql"))
        assert not (found := WRITES.search(text)), f"sql/queries/{name}.sql: {found[0]}"


def test_every_file_is_used_by_its_package() -> None:
    names = named()
    for name in (QUERIES | SCRIPTS) - BY_PATH:
        folder = f"/{name.rpartition('/')[0]}/"
        assert any(folder in f"{package}/" for package in names[name]), f"who runs {name}?"


def test_no_missing_file_is_named() -> None:
    found = {text for module in MODULES.values() for _, _, text, _ in texts(module)}
    assert set(filter(is_name, found)) - QUERIES - SCRIPTS == set()
    assert set() == QUERIES & SCRIPTS or not PACKAGES  # a name says which of the two folders it is in


def test_statements_of_three_lines_and_more_are_in_files() -> None:
    for path, module in MODULES.items():
        if "sandbox" in path.parts:
            continue  # its store is SQLite
        for first, last, text, _ in texts(module):
            is_long = STATEMENT.match(text) and last - first >= LONGEST
            assert not is_long, f"{path.relative_to(ROOT)}:{first}: a statement of {last - first + 1} lines"


def test_composed_queries_have_their_values_as_literals(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "select '{{1}}'::int[], %(name)s from {table} where {x} like 'a%%' and b = any(%(ids)s) and n = %(n)s;\n"
    monkeypatch.setattr(query, "load_sql", {"queries/a/b.sql": text}.__getitem__)
    found = query.compose(
        "a/b", table=sql.Identifier("s", 'a"b'), x=sql.SQL("x"), name="O'Neil 100% {n} %(n)s", ids=["a", "b"], n=7
    )
    assert found.as_string(None) == (
        "select '{1}'::int[], 'O''Neil 100% {n} %(n)s' from \"s\".\"a\"\"b\" "
        "where x like 'a%' and b = any('{a,b}') and n = 7"
    )


def test_a_missing_value_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "load_sql", {"queries/a/b.sql": "select %(name)s"}.__getitem__)
    with pytest.raises(KeyError, match="name"):
        query.compose("a/b")


def test_a_missing_file_is_said_with_what_to_do() -> None:
    with pytest.raises(NotReady, match=r"no SQL file queries/nowhere/nothing\.sql"):
        query.compose("nowhere/nothing")

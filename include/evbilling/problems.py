"""The faults of a file, collected so that one message can list them all."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from evbilling.errors import BadInput

LIMIT = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault, its place and reason. `place` is `line 7`, or `row 7` where a file has no lines."""

    file: str
    reason: str
    place: str | None = None
    column: str | None = None

    def __str__(self) -> str:
        place = [part for part in (self.place, f"column {self.column}" if self.column else None) if part]
        return f"{self.file}, {', '.join(place)}: {self.reason}" if place else f"{self.file}: {self.reason}"


@dataclass(slots=True)
class Problems:
    """The first `limit` problems, and the number of all."""

    limit: int = LIMIT
    shown: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, problem: Problem) -> None:
        self.add_many((problem,), 1)

    def add_many(self, problems: Iterable[Problem], count: int) -> None:
        """Add `count` problems; `problems` are the first of them."""
        self.count += count
        for problem in problems:
            if len(self.shown) >= self.limit:
                return
            self.shown.append(problem)

    @contextmanager
    def collecting(self) -> Generator[None, None, None]:
        """Add the problems of the files that turn out not to be usable within the block, which ends there."""
        try:
            yield
        except BadFiles as error:
            self.add_many(error.problems.shown, error.problems.count)

    def raise_any(self, where: str | None = None) -> None:
        """Raise one error with all problems; return if there is none."""
        if self.count:
            raise self.error(where)

    def error(self, where: str | None = None) -> BadInput:
        """The error with all problems."""
        lines = [str(problem) for problem in self.shown]
        if self.count > len(lines):
            lines.append(f"and {self.count - len(lines)} more")
        heading = "1 problem" if self.count == 1 else f"{self.count:,} problems"
        return BadFiles(
            "\n  ".join([f"{heading}, so nothing was taken over", *lines]),
            where=where,
            fix="correct the file and run the same command again",
            problems=self,
        )


class BadFiles(BadInput):
    """Files that can't be used, with each problem; prints like any `BadInput`."""

    def __init__(
        self, what: str, *, where: str | None = None, fix: str | None = None, problems: Problems | None = None
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.problems = problems or Problems()

"""The result of an expectation, as the warehouse keeps it and the validation page shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one expectation. `observed` and `sample` are texts for people."""

    suite: str
    shard: int | None
    expectation: str
    says: str
    severity: str
    success: bool
    observed: str | None
    unexpected_count: int | None
    sample: tuple[str, ...]

    @property
    def is_stopping(self) -> bool:
        """True if the period must not be published."""
        return not self.success and self.severity == "critical"

    def sentence(self) -> str:
        """The finding in one line."""
        shard = "" if self.shard is None else f" (shard {self.shard})"
        found = f": found {self.observed}" if self.observed is not None else ""
        sample = f", for example {', '.join(self.sample)}" if self.sample else ""
        return f"{self.suite}{shard}: expected: {self.says}{found}{sample}"

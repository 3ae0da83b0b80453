"""What an expectation found: the row that is kept in the warehouse and shown to people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What one expectation found. `observed` and `sample` are for people, not for machines."""

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
        """True if this must keep the period from being published."""
        return not self.success and self.severity == "critical"

    def sentence(self) -> str:
        """The finding in one line."""
        shard = "" if self.shard is None else f" (shard {self.shard})"
        found = f": found {self.observed}" if self.observed is not None else ""
        sample = f", for example {', '.join(self.sample)}" if self.sample else ""
        return f"{self.suite}{shard}: expected: {self.says}{found}{sample}"

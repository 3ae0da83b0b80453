"""The errors a person may see: each says what is wrong, where, and what to do.

Airflow retries `TransientError` and stops at once on every other `EvbillingError`: a second try with bad data only
hides the message.
"""

from __future__ import annotations


class EvbillingError(Exception):
    """One clear message: what is wrong, where it was found, what to do about it."""

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  -> {self.fix}" if self.fix else text

    def __reduce__(self) -> tuple[object, ...]:
        # Exception.__reduce__ would call the constructor with the joined message and lose the parts.
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(kind: type[EvbillingError], what: str, where: str | None, fix: str | None) -> EvbillingError:
    return kind(what, where=where, fix=fix)


class BadInput(EvbillingError):
    """What we were given (a file, a Param, a setting) can't be used."""


class SetFault(EvbillingError):
    """The inventory as a set is wrong, so nothing of this period is published."""


class NotReady(EvbillingError):
    """Something that this step needs isn't there: a migration wasn't run, the stack isn't up, evidence is missing."""


class TransientError(EvbillingError):
    """Something outside didn't answer; the same call may succeed later."""


class StaleTry(EvbillingError):
    """A newer try or run of the same step has taken over, so this one may write nothing."""


class Mismatch(EvbillingError):
    """Two records that must agree do not: a person has to look, and nothing corrects it automatically."""

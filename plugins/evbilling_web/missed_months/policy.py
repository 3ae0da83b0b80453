"""The policy of missed months, of an account or of all: what it would do now, with amounts, before it is recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from evbilling.missed_months import BASIS, POLICIES, Decision, decisions, policies, set_policy
from evbilling.payments.actions import total_by_currency, totals_text
from evbilling.platform.access import open_lookup
from evbilling.read_models.preview import MissedAmount, preview_missed
from evbilling.warehouse import read_clock
from evbilling_web import warehouse
from evbilling_web.actions.view import Form
from evbilling_web.links import address
from evbilling_web.missed_months.routes import MOST, Sent
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.rights import CHANGE_SETTINGS, SignedIn, requires, why_not

router = APIRouter()


@dataclass(frozen=True, slots=True)
class PolicyPreview:
    """What a policy would decide now: the oldest months with their amounts, and how many more there are."""

    decided: Sequence[Decision] = ()
    amounts: Sequence[MissedAmount] = ()

    @property
    def shown(self) -> list[tuple[MissedAmount, Decision]]:
        """The months that are shown, with what is decided on each."""
        return list(zip(self.amounts, self.decided, strict=False))

    @property
    def sums(self) -> list[tuple[str, int, str]]:
        """Of those shown: each decision with its number of months and what is known of its money."""
        found = []
        for decision in dict.fromkeys(decided.decision for _, decided in self.shown):
            months = [one.month for one, decided in self.shown if decided.decision == decision]
            known = ((one.amount, one.currency) for one in months if one.amount is not None and one.currency)
            found.append((decision, len(months), totals_text(total_by_currency(known))))
        return found

    @property
    def seen(self) -> str:
        """A hash of what the user decides on: every month, and the amounts that are shown."""
        all_decided = [(one.account_id, str(one.period), one.decision) for one in self.decided]
        amounts = [str(one.month.amount) for one in self.amounts]
        return hashlib.sha256(json.dumps([all_decided, amounts]).encode()).hexdigest()[:32]


@router.get("/missed-months/policy", dependencies=[Depends(note_paused)])
def show(request: Request, user: SignedIn, account: str = "", policy: str = "", saved: int | None = None) -> Response:
    """The policies that are recorded, and what the chosen one would do now."""
    return _page(request, user, account, policy if policy in POLICIES else "", Form({}), saved=saved)


@router.post("/missed-months/policy", dependencies=[Depends(note_paused)])
def save(
    request: Request,
    user: Annotated[BaseUser, Depends(requires(CHANGE_SETTINGS))],
    form: Sent,
) -> Response:
    """Record the policy as the signed-in user, if it would still do what was shown."""
    account, policy = form.values.get("account", ""), form.get("policy")
    reason = form.reason()
    if policy not in POLICIES or form.get("seen") != _preview(account, policy).seen:
        return _page(request, user, account, policy if policy in POLICIES else "", form, changed=True, status=409)
    if form.errors:
        return _page(request, user, account, policy, form, status=422)
    with warehouse.services().warehouse() as connection:
        is_new = set_policy(connection, _id(account), policy, actor=user.get_name(), reason=reason)
    place = {"account": account or None, "saved": int(is_new)}
    root = request.scope.get("root_path", "")
    return RedirectResponse(address(root, "/missed-months/policy", **place), status_code=303)


def _id(account: str) -> str | None:
    return account.replace("\x00", "\ufffd") or None


def _preview(account: str, policy: str) -> PolicyPreview:
    with warehouse.reading() as connection:
        now = read_clock(connection)
        decided = decisions(connection, now, if_policy=policy, if_account_id=_id(account))
        if not decided:
            return PolicyPreview()
        platform = open_lookup(warehouse.services(with_platform=True).platform_url)
        months = [(one.account_id, one.period) for one in decided[:MOST]]
        return PolicyPreview(decided, preview_missed(platform, connection, months, now=now))


def _page(
    request: Request,
    user: BaseUser,
    account: str,
    policy: str,
    form: Form,
    *,
    saved: int | None = None,
    changed: bool = False,
    status: int = 200,
) -> Response:
    preview = _preview(account, policy) if policy else PolicyPreview()
    with warehouse.reading() as connection:
        recorded = policies(connection, _id(account))
    context = {
        "account_id": _id(account),
        "policies": POLICIES,
        "chosen": policy,
        "shown": preview.shown,
        "sums": preview.sums,
        "more": len(preview.decided) - len(preview.shown),
        "seen": preview.seen,
        "basis": BASIS,
        "recorded": recorded,
        "form": form,
        "saved": saved,
        "changed": changed,
        "may_not": why_not(user, CHANGE_SETTINGS),
    }
    return page(request, "missed_months/policy.html", context, status=status)

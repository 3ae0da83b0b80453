"""Acting on statements: the dry run with its form, and the run of the action's DAG that the form starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from evbilling.errors import BadInput
from evbilling.payments.actions import totals_text
from evbilling_web import runs
from evbilling_web.acts.base import Act, Asked, Form, Proposal, asked
from evbilling_web.acts.every import ACTS
from evbilling_web.links import address, return_path
from evbilling_web.rendering import page
from evbilling_web.rights import requires, why_not

router = APIRouter()

# 500 statements and a long reason are far below this.
_LARGEST_FORM = 256 * 1024


def _shown(act: Act) -> Callable[..., Awaitable[HTMLResponse]]:
    async def show(
        request: Request,
        statement: Annotated[list[str] | None, Query()] = None,
        payment: str | None = None,
        kind: str | None = None,
        back: str | None = None,
    ) -> HTMLResponse:
        question = asked(act, statement or (), payment, kind)
        proposal = await run_in_threadpool(act.propose, question)
        return await _page(
            request, act, question, proposal, Form(act.defaults(proposal)), back=return_path(request, back)
        )

    return show


def _done(act: Act) -> Callable[..., Awaitable[Response]]:
    async def do(request: Request) -> Response:
        fields = await _fields(request)
        form = Form({name: value for name, value in fields.items() if isinstance(value, str)})
        nonce, back = form.get("nonce"), return_path(request, form.get("back"))
        if not runs.is_nonce(nonce):
            raise BadInput("This form is incomplete, so nothing was done.", fix="Open it anew.")
        if await runs.is_started(request, act.right.value, nonce):
            return _followed(request, act, nonce, back)
        statements = [text for text in fields.getlist("statement") if isinstance(text, str)]
        question = asked(act, statements, form.get("only"), form.get("kind"))
        proposal = await run_in_threadpool(act.propose, question)
        conf = act.read(form, proposal)
        if changed := _changed(form, proposal):
            return await _page(request, act, question, proposal, form, back=back, changed=changed, status=409)
        if form.errors:
            return await _page(request, act, question, proposal, form, back=back, status=422)
        await runs.start(request, act.right.value, nonce, conf, note=form.get("reason"))
        return _followed(request, act, nonce, back)

    return do


for _act in ACTS:
    router.add_api_route(f"/actions/{_act.name}", _shown(_act), methods=["GET"], response_class=HTMLResponse)
    router.add_api_route(
        f"/actions/{_act.name}",
        _done(_act),
        methods=["POST"],
        dependencies=[Depends(requires(_act.right))],
        response_class=HTMLResponse,
    )


async def _fields(request: Request) -> FormData:
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > _LARGEST_FORM:
        raise HTTPException(413, "This form is too large, so nothing was done.")
    return await request.form(max_files=0, max_fields=2_000)


def _changed(form: Form, proposal: Proposal) -> str | None:
    """What to tell somebody who decided on something else than what would be done now; None if it is the same."""
    if not proposal.able:
        return "Nothing was done: nothing can be done with what was chosen."
    if form.get("seen") == proposal.seen:
        return None
    before, now = form.get("total") or "nothing", totals_text(proposal.totals)
    if before == now:
        return "Nothing was done: what it would be done with has changed since you looked."
    return f"Nothing was done: when you looked it came to {before}, and now it comes to {now}."


def _followed(request: Request, act: Act, nonce: str, back: str | None) -> RedirectResponse:
    dag_id = act.right.value
    place = f"/runs/{dag_id}/{runs.run_id(dag_id, nonce)}"
    return RedirectResponse(address(request.scope.get("root_path", ""), place, back=back), status_code=303)


async def _page(
    request: Request,
    act: Act,
    question: Asked,
    proposal: Proposal,
    form: Form,
    *,
    back: str | None,
    changed: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    user = request.state.reader
    # Whoever saw something else has a new decision to make; whoever corrects a field is still at the old one.
    nonce = runs.new_nonce() if changed or not form.get("nonce") else form.get("nonce")
    context: Mapping[str, Any] = {
        "act": act,
        "asked": question,
        "proposal": proposal,
        "total": totals_text(proposal.totals),
        "form": form,
        "nonce": nonce,
        "back": back,
        "changed": changed,
        "may_not": await run_in_threadpool(why_not, user, act.right),
        "hindered": await runs.why_not_begun(request, act.right.value),
    }
    return page(request, act.template, context, status=status)

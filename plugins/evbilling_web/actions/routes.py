"""The pages of actions: the dry run with its form, and the DAG run that the form starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pkgutil import resolve_name
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from evbilling.errors import BadInput
from evbilling.payments.actions import totals_text
from evbilling_airflow.actions import ACTIONS
from evbilling_web.actions import dag_runs
from evbilling_web.actions.view import ActionPage, Form, Proposal, Selection, select
from evbilling_web.forms import read_form
from evbilling_web.links import address, return_path
from evbilling_web.paused import note_paused
from evbilling_web.rendering import page
from evbilling_web.rights import requires, why_not

router = APIRouter()

ACTION_PAGES: tuple[ActionPage, ...] = tuple(
    resolve_name(f"evbilling_web.actions.{action.module or action.name.lower()}:{action.name}") for action in ACTIONS
)


def _shown(action: ActionPage) -> Callable[..., Awaitable[HTMLResponse]]:
    async def show(
        request: Request,
        statement: Annotated[list[str] | None, Query()] = None,
        payment: str | None = None,
        kind: str | None = None,
        back: str | None = None,
    ) -> HTMLResponse:
        selection = select(action, statement or (), payment, kind)
        proposal = await run_in_threadpool(action.propose, selection)
        return await _page(
            request, action, selection, proposal, Form(action.defaults(proposal)), back=return_path(request, back)
        )

    return show


def _done(action: ActionPage) -> Callable[..., Awaitable[Response]]:
    async def do(request: Request) -> Response:
        fields = await read_form(request)
        form = Form({name: value for name, value in fields.items() if isinstance(value, str)})
        nonce, back = form.get("nonce"), return_path(request, form.get("back"))
        if not dag_runs.is_nonce(nonce):
            raise BadInput("This form is incomplete, so nothing was done.", fix="Open it again.")
        if await dag_runs.is_started(request, action.action.dag_id, nonce):
            return _followed(request, action, nonce, back)
        statements = [text for text in fields.getlist("statement") if isinstance(text, str)]
        selection = select(action, statements, form.get("only"), form.get("kind"))
        proposal = await run_in_threadpool(action.propose, selection)
        conf = action.read(form, proposal)
        if changed := _changed(form, proposal):
            return await _page(request, action, selection, proposal, form, back=back, changed=changed, status=409)
        if form.errors:
            return await _page(request, action, selection, proposal, form, back=back, status=422)
        await dag_runs.start(request, action.action.dag_id, nonce, conf, note=form.get("reason"))
        return _followed(request, action, nonce, back)

    return do


for _action in ACTION_PAGES:
    router.add_api_route(f"/actions/{_action.name}", _shown(_action), methods=["GET"], response_class=HTMLResponse)
    router.add_api_route(
        f"/actions/{_action.name}",
        _done(_action),
        methods=["POST"],
        dependencies=[Depends(requires(_action.right))],
        response_class=HTMLResponse,
    )


def _changed(form: Form, proposal: Proposal) -> str | None:
    """The notice for a user whose decision no longer matches the dry run; None if it still does."""
    if not proposal.able:
        return "Nothing was done: the action isn't available for the selected statements any more."
    if form.get("seen") == proposal.seen:
        return None
    before, now = form.get("total") or "nothing", totals_text(proposal.totals)
    if before == now:
        return "Nothing was done: the details have changed since you opened this form."
    return f"Nothing was done: the total was {before} when you opened this form and is now {now}."


def _followed(request: Request, action: ActionPage, nonce: str, back: str | None) -> RedirectResponse:
    dag_id = action.action.dag_id
    place = f"/runs/{dag_id}/{dag_runs.run_id(dag_id, nonce)}"
    return RedirectResponse(address(request.scope.get("root_path", ""), place, back=back), status_code=303)


async def _page(
    request: Request,
    action: ActionPage,
    selection: Selection,
    proposal: Proposal,
    form: Form,
    *,
    back: str | None,
    changed: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    user = request.state.reader
    # After a change the user decides anew; a corrected field belongs to the same decision.
    nonce = dag_runs.new_nonce() if changed or not form.get("nonce") else form.get("nonce")
    context: Mapping[str, Any] = {
        "act": action,
        "selection": selection,
        "proposal": proposal,
        "total": totals_text(proposal.totals),
        "form": form,
        "nonce": nonce,
        "back": back,
        "changed": changed,
        "may_not": await run_in_threadpool(why_not, user, action.right),
        "hindered": await dag_runs.why_not_begun(request, action.action.dag_id),
    }
    await note_paused(request)
    return page(request, action.template, context, status=status)

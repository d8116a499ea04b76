"""What a person posts on a case. Each answer leads back to the case, or to the form with everything that was typed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from features.lexicon import load_lexicon
from features.types import Document
from serving.action_forms import Content, Fields, content_of
from serving.case_actions import CaseActions
from serving.corrections import Place, SeveralPlacesError, correction_of
from serving.deps import Actions, Director, Form, Reader, Service, Worker
from serving.done_view import happened_since
from serving.errors import ActionRefusedError, CaseChangedError, UnknownAuthorizationError
from serving.fact_words import spoken
from serving.letters import adverse_notice
from serving.pages import known_case
from serving.people import SignedIn
from serving.rendering import render_page
from serving.service import AuthorizationService, Case
from serving.sights import Sight, seen
from serving.single_keys import switch_single_keys
from serving.work import ActionKind
from serving.work_view import FormView, asked, concept_names, form_context, work_view

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_HEADINGS = {
    "approve": "Approve",
    "approve_modified": "Approve with changes",
    "request_information": "Request information",
    "refer": "Refer to the medical director",
    "return_to_nurse": "Return to the nurse",
    "withdraw": "Withdrawn by the provider",
    "reopen": "Open again",
    "determine_adversely": "Adverse determination",
    "extend": "Take more time",
    "expedite": "Make expedited",
    "not_expedited": "Not expedited after all",
    "note": "Note to file",
    "corrections": "Correct what was read",
}
_CONTEXT = 60
"""So many characters are shown on each side of words that stand in several places."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A form that somebody posted on a case."""

    authorization_id: str
    fields: Fields
    who: SignedIn
    service: AuthorizationService
    actions: CaseActions
    now: datetime

    def first(self, name: str) -> str:
        """The first value of a field, empty where it was not posted."""
        values = self.fields.get(name, ())
        return values[0] if values else ""

    @property
    def turn(self) -> int | None:
        """The turn that the person saw, None where the form names none."""
        text = self.first("turn")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def posted_by_worker(authorization_id: str, form: Form, who: Worker, service: Service, actions: Actions) -> Posted:
    """What somebody who may work on cases posted."""
    fields = {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}
    return Posted(authorization_id, fields, who, service, actions, datetime.now(UTC))


def posted_by_director(posted: Annotated[Posted, Depends(posted_by_worker)], _who: Director) -> Posted:
    """What a medical director posted."""
    return posted


ByWorker = Annotated[Posted, Depends(posted_by_worker)]
ByDirector = Annotated[Posted, Depends(posted_by_director)]


@router.post("/cases/{authorization_id}/approve")
def approve(posted: ByWorker) -> Response:
    """Approve as requested."""
    return _act(posted, ActionKind.APPROVED, "approve")


@router.post("/cases/{authorization_id}/approve-modified")
def approve_modified(posted: ByWorker) -> Response:
    """Approve what the provider agreed to instead."""
    return _act(posted, ActionKind.APPROVED_MODIFIED, "approve_modified")


@router.post("/cases/{authorization_id}/request-information")
def request_information(posted: ByWorker) -> Response:
    """Keep the letter that asks the provider for more."""
    return _act(posted, ActionKind.INFORMATION_REQUESTED, "request_information")


@router.post("/cases/{authorization_id}/refer")
def refer(posted: ByWorker) -> Response:
    """Give the case to the medical director."""
    return _act(posted, ActionKind.REFERRED, "refer")


@router.post("/cases/{authorization_id}/withdraw")
def withdraw(posted: ByWorker) -> Response:
    """Record that the provider took the request back."""
    return _act(posted, ActionKind.WITHDRAWN, "withdraw")


@router.post("/cases/{authorization_id}/reopen")
def reopen(posted: ByWorker) -> Response:
    """Open a case that was decided, withdrawn or fast-tracked."""
    return _act(posted, ActionKind.REOPENED, "reopen")


@router.post("/cases/{authorization_id}/extend")
def extend(posted: ByWorker) -> Response:
    """Take more time, as the turnaround rule allows."""
    return _act(posted, ActionKind.EXTENDED, "extend")


@router.post("/cases/{authorization_id}/expedite")
def expedite(posted: ByWorker) -> Response:
    """Make the case an expedited one."""
    return _act(posted, ActionKind.MADE_EXPEDITED, "expedite")


@router.post("/cases/{authorization_id}/not-expedited")
def not_expedited(posted: ByWorker) -> Response:
    """Decide within the standard time, where nobody's physician asks for less."""
    return _act(posted, ActionKind.NOT_EXPEDITED, "not_expedited")


@router.post("/cases/{authorization_id}/notes")
def note(posted: ByWorker) -> Response:
    """Keep a note to file."""
    return _act(posted, ActionKind.NOTED, "note")


@router.post("/cases/{authorization_id}/return")
def return_to_nurse(posted: ByDirector) -> Response:
    """Give a referred case back to the nurse."""
    return _act(posted, ActionKind.RETURNED, "return_to_nurse")


@router.post("/cases/{authorization_id}/determine-adversely")
def determine_adversely(posted: ByDirector) -> Response:
    """Record an adverse determination: a medical director's alone."""
    return _act(posted, ActionKind.DETERMINED_ADVERSELY, "determine_adversely")


@router.get("/cases/{authorization_id}/determine-adversely")
def adverse_form(authorization_id: str, who: Director, service: Service, actions: Actions) -> Response:
    """The form for it, empty."""
    case = known_case(authorization_id, service)
    return _form_page(actions, case, who, "determine_adversely", now=datetime.now(UTC))


@router.post("/cases/{authorization_id}/corrections")
def correct(posted: ByWorker) -> Response:
    """Keep what a person says about a fact that was read, or was not."""
    case = known_case(posted.authorization_id, posted.service, earlier=True)
    missed = posted.first("verdict") == "missed"
    form = "add_missed" if missed else "correct_fact"
    documents = case.stored.request.documents
    try:
        content = correction_of(posted.fields, documents, json.loads(case.latest.result)["facts"], load_lexicon())
        done = posted.actions.act(
            posted.who, posted.authorization_id, ActionKind.FACT_CORRECTED, content, form=form, now=posted.now
        )
    except SeveralPlacesError as error:
        shown = tuple(_shown_place(place, documents) for place in error.places)
        return _again(posted, case, form, (), status=422, message="Say which place you mean", places=shown)
    except ActionRefusedError as error:
        return _again(posted, case, form, error.problems, status=422)
    except CaseChangedError as error:
        return _again(posted, case, form, (("", str(error)),), status=409)
    return _back(posted.authorization_id, done.action_id)


@router.get("/cases/{authorization_id}/corrections")
def correction_form(authorization_id: str, who: Worker, service: Service, actions: Actions, fact: str = "") -> Response:
    """The forms for corrections, with every fact that was read; ``fact`` is chosen already."""
    case = known_case(authorization_id, service)
    typed = {"correct_fact": FormView({"fact_id": fact})} if fact else None
    return _form_page(actions, case, who, "corrections", typed=typed, now=datetime.now(UTC))


@router.post("/cases/{authorization_id}/undo")
def undo(posted: ByWorker) -> Response:
    """Undo what the person did."""
    action_id = posted.first("action_id")
    case = known_case(posted.authorization_id, posted.service, earlier=True)
    try:
        done = posted.actions.undo(posted.who, posted.authorization_id, action_id, now=posted.now)
    except ActionRefusedError as error:
        return _again(posted, case, "", error.problems, status=422)
    return _back(posted.authorization_id, done.action_id)


@router.post("/cases/{authorization_id}/keys")
def choose_keys(request: Request, authorization_id: str, who: Reader, form: Form, service: Service) -> Response:
    """Switch single keys on or off in this browser, on this page and on every other."""
    known_case(authorization_id, service)
    answer = RedirectResponse(f"/cases/{authorization_id}", status_code=303)
    switch_single_keys(request, answer, who, on=form.get("keys") == "on")
    return answer


@router.get("/cases/{authorization_id}/evidence")
def open_documents(authorization_id: str, who: Reader, service: Service, actions: Actions) -> Response:
    """Lead to the case's documents, and keep that they were opened."""
    known_case(authorization_id, service)
    seen(actions.store, who, authorization_id, Sight.DOCUMENT_OPENED)
    return RedirectResponse(f"/cases/{authorization_id}#documents-heading", status_code=303)


@router.get("/cases/{authorization_id}/evidence/{fact_id}")
def open_evidence(authorization_id: str, fact_id: str, who: Reader, service: Service, actions: Actions) -> Response:
    """Lead to a fact's words in the note, and keep that they were opened."""
    case = known_case(authorization_id, service)
    if fact_id not in {fact["fact_id"] for fact in json.loads(case.latest.result)["facts"]}:
        raise UnknownAuthorizationError("fact_id: this case has no such fact")
    seen(actions.store, who, authorization_id, Sight.EVIDENCE_OPENED, {"fact_id": fact_id})
    return RedirectResponse(f"/cases/{authorization_id}#fact-{fact_id}", status_code=303)


@router.get("/concepts")
def concepts(_who: Reader) -> HTMLResponse:
    """The names of all concepts, as options for a form."""
    return HTMLResponse(
        Markup("").join(Markup("<option>{}</option>").format(name) for name in concept_names(load_lexicon()))
    )


def _act(posted: Posted, kind: ActionKind, form: str) -> Response:
    case = known_case(posted.authorization_id, posted.service, earlier=True)
    try:
        content = content_of(kind, _with_mention(posted.fields), form_context(posted.actions, case, now=posted.now))
        if kind is ActionKind.DETERMINED_ADVERSELY:
            content["letter"] = _notice(case, content, posted.now)
        done = posted.actions.act(
            posted.who,
            posted.authorization_id,
            kind,
            content,
            turn=posted.turn,
            form=_view_name(form),
            now=posted.now,
        )
    except ActionRefusedError as error:
        return _again(posted, case, form, error.problems, status=422)
    except CaseChangedError as error:
        case = known_case(posted.authorization_id, posted.service, earlier=True)
        return _again(posted, case, form, (("", str(error)),), status=409)
    return _back(posted.authorization_id, done.action_id)


def _with_mention(fields: Fields) -> Fields:
    """The fields of a note: somebody chosen from the list is mentioned as if their name were written."""
    chosen = next(iter(fields.get("mention", ())), "")
    text = next(iter(fields.get("text", ())), "")
    if not chosen or not text.strip() or f"@{chosen}" in text:
        return fields
    return {**fields, "text": [f"@{chosen} {text}"]}


def _notice(case: Case, content: Content, now: datetime) -> str:
    statements = {each["criterion_id"]: each["statement"] for each in json.loads(case.latest.result)["criteria"]}
    cited = cast("list[str]", content["criteria"])
    return adverse_notice(
        asked(case),
        str(content["reasons"]),
        [statements[criterion_id] for criterion_id in cited],
        str(content["guideline"] or ""),
        now.date(),
    )


def _back(authorization_id: str, action_id: str) -> Response:
    return RedirectResponse(f"/cases/{authorization_id}?done={action_id}", status_code=303)


def _again(
    posted: Posted,
    case: Case,
    form: str,
    problems: Sequence[tuple[str, str]],
    *,
    status: int,
    message: str = "",
    places: Sequence[dict[str, str]] = (),
) -> Response:
    """The form once more, with what was typed and what is wrong; and what others did on the case meanwhile."""
    whole = " ".join(text for field, text in problems if not field)
    values = {name: given[0].replace("\r\n", "\n") for name, given in posted.fields.items() if given}
    typed = FormView(values, posted.fields, {field: text for field, text in problems if field})
    since: tuple[str, ...] = ()
    if posted.turn is not None:
        since = happened_since(posted.actions, posted.authorization_id, posted.turn, posted.who.person, posted.now)
    return _form_page(
        posted.actions,
        case,
        posted.who,
        "corrections" if form in ("correct_fact", "add_missed") else form,
        typed={_view_name(form): typed},
        message=message or (f"{whole[:1].upper()}{whole[1:]}." if whole else "Please look at the marked fields."),
        since=since if status == 409 else (),
        places=places,
        status=status,
        now=posted.now,
    )


def _form_page(
    actions: CaseActions,
    case: Case,
    who: SignedIn,
    form: str,
    *,
    typed: dict[str, FormView] | None = None,
    message: str = "",
    since: Sequence[str] = (),
    places: Sequence[dict[str, str]] = (),
    status: int = 200,
    now: datetime,
) -> Response:
    return render_page(
        "case/action.html",
        who=who,
        here="/",
        status_code=status,
        work=work_view(actions, case, who, now=now, typed=typed),
        external_id=case.stored.request.external_id,
        form=form,
        heading=_HEADINGS.get(form, "Undo"),
        message=message,
        since=since,
        kept=bool(message and form),
        facts=_facts(case) if form == "corrections" else (),
        places=places,
    )


def _view_name(form: str) -> str:
    return "return" if form == "return_to_nurse" else form


def _facts(case: Case) -> list[dict[str, str]]:
    facts: list[dict[str, Any]] = json.loads(case.latest.result)["facts"]
    return [
        {
            "fact_id": fact["fact_id"],
            "quote": fact["text"],
            "words": ", ".join([spoken(fact["concept"]), *(flag for flag, on in fact["assertion"].items() if on)]),
        }
        for fact in facts
    ]


def _shown_place(place: Place, documents: Sequence[Document]) -> dict[str, str]:
    text = next(each.text for each in documents if each.document_id == place.document_id)
    return {
        "value": f"{place.start}:{place.end}:{place.document_id}",
        "document_id": place.document_id,
        "before": text[max(0, place.start - _CONTEXT) : place.start],
        "quote": text[place.start : place.end],
        "after": text[place.end : place.end + _CONTEXT],
    }

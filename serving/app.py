"""``create_app(settings)``: the one door to the web application. Nothing happens at import."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import Response

from features.errors import RequestRefusedError
from features.request import DocumentsBody, RequestBody, UpdateBody
from models.versions import pipeline_version
from serving import (
    api,
    batch_api,
    case_action_pages,
    draft_pages,
    intake_api,
    numbers_pages,
    pages,
    people_pages,
    problems,
    score_page,
    sight_pages,
    sign_in_pages,
    trail_pages,
    worklist_pages,
)
from serving.batches import Batches
from serving.case_actions import CaseActions
from serving.documents.pool import ReadingPool
from serving.drafts import DraftStore
from serving.errors import NotSignedInError, ServingError, StaleFormError
from serving.gate import Gate
from serving.idempotency import IdempotencyKeys
from serving.metrics import Metrics
from serving.not_signed_in import answer_not_signed_in, answer_stale_form
from serving.oidc import provider_of
from serving.people_store import PeopleStore
from serving.reading import Reader
from serving.schemas import TRIAGE_RESULT_EXAMPLE, CancellationBody, ProblemBody, SearchBody
from serving.service import AuthorizationService, Triage
from serving.settings import Settings
from serving.sight_rate import SightRate
from serving.sign_in_limit import SignInLimit
from serving.store import Store
from serving.worklist_counts import WorklistCounts

_log = logging.getLogger("greenlane.serving")


def create_app(
    settings: Settings,
    *,
    triage: Triage | None = None,
    draw: Callable[[], float] | None = None,
    migrate: bool = False,
) -> FastAPI:
    """The application: store opened (and SQLite migrated), model loaded, routes mounted.

    ``triage`` replaces the champion model's triage; ``draw`` the blind audit's random numbers; ``migrate`` also
    migrates a database that is not SQLite. Raises StoreUnavailableError where the database cannot be opened, and
    SettingsError for a certificate file of the identity provider that cannot be read.
    """
    store = Store.open(settings.database_url, migrate_always=migrate)
    metrics = Metrics()
    reader = Reader.load(settings)
    documents = ReadingPool.of(settings)
    service = AuthorizationService(
        store,
        triage or reader.triage,
        audit_share=settings.audit_share,
        metrics=metrics,
        documents=documents,
        draw=draw,
    )
    app = FastAPI(
        title="greenlane",
        summary="Triage for prior authorization. It never denies.",
        version=pipeline_version(),
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        # FastAPI's own telemetry records exceptions, and an exception may hold note text.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.service = service
    app.state.store = store
    app.state.batches = Batches(store, service)
    app.state.idempotency_keys = IdempotencyKeys(store, kept=timedelta(days=settings.idempotency_days))
    app.state.people = PeopleStore(store)
    app.state.documents = documents
    app.state.sight_rate = SightRate()
    app.state.drafts = DraftStore(store)
    app.state.sign_in_limit = SignInLimit()
    app.state.identity_provider = provider_of(settings)
    app.state.actions = CaseActions(store, undo_window=timedelta(minutes=settings.undo_minutes))
    app.state.worklist_counts = WorklistCounts(store)
    app.state.metrics = metrics
    app.state.readiness = reader.readiness
    app.include_router(api.router)
    app.include_router(intake_api.router)
    app.include_router(batch_api.router)
    for place in (
        sign_in_pages,
        people_pages,
        draft_pages,
        pages,
        score_page,
        sight_pages,
        trail_pages,
        worklist_pages,
        case_action_pages,
        numbers_pages,
    ):
        app.include_router(place.router)
    app.mount("/static", StaticFiles(packages=[("serving", "static")]), name="static")
    _answer_errors(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    app.add_middleware(Gate, metrics=metrics, public_url=settings.public_url)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    stopping = threading.Event()
    service: AuthorizationService = app.state.service
    recovery = threading.Thread(target=_recover, args=(service, stopping), name="recovery", daemon=True)
    recovery.start()
    yield
    stopping.set()
    app.state.documents.close()
    recovery.join(timeout=30)
    app.state.store.close()


def _recover(service: AuthorizationService, stopping: threading.Event) -> None:
    try:
        service.recover(stopping=stopping)
    except ServingError as error:
        _log.error("recovery stopped: %s", error)


def _answer_errors(app: FastAPI) -> None:
    def page_or_problem(request: Request, answer: Response) -> Response:
        wanted_by_browser = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
        return pages.error_page(request, answer.status_code) if wanted_by_browser else answer

    @app.exception_handler(NotSignedInError)
    async def not_signed_in(request: Request, error: NotSignedInError) -> Response:
        return await answer_not_signed_in(request, error)

    @app.exception_handler(StaleFormError)
    async def stale_form(request: Request, error: StaleFormError) -> Response:
        return await answer_stale_form(request, error)

    @app.exception_handler(ServingError)
    async def serving_error(request: Request, error: ServingError) -> Response:
        return page_or_problem(request, problems.of_serving_error(error))

    @app.exception_handler(RequestRefusedError)
    async def request_refused(request: Request, error: RequestRefusedError) -> Response:
        return page_or_problem(request, problems.refused(error))

    @app.exception_handler(RequestValidationError)
    async def parameter_refused(request: Request, error: RequestValidationError) -> Response:
        return page_or_problem(request, problems.of_validation_error(error))

    @app.exception_handler(HTTPException)
    async def http_exception(request: Request, error: HTTPException) -> Response:
        return page_or_problem(request, problems.of_http_exception(error))


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes, openapi_version="3.1.0"
        )
        _, definitions = models_json_schema(
            [
                (RequestBody, "validation"),
                (DocumentsBody, "validation"),
                (UpdateBody, "validation"),
                (CancellationBody, "validation"),
                (SearchBody, "validation"),
                (ProblemBody, "validation"),
            ],
            ref_template="#/components/schemas/{model}",
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
        _give_result_examples(document)
        app.openapi_schema = document
    return app.openapi_schema


def _give_result_examples(document: dict[str, Any]) -> None:
    # Set here because FastAPI drops every null of an example, and null is part of the contract.
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                content = response.get("content", {}).get("application/json", {})
                if content.get("schema") == {"$ref": "#/components/schemas/TriageResultBody"}:
                    content["example"] = TRIAGE_RESULT_EXAMPLE

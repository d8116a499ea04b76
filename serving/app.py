"""``create_app(settings)``: the one door to the web application. Nothing happens at import."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from features.errors import RequestRefusedError
from features.request import DocumentsBody, RequestBody, UpdateBody
from features.types import AuthorizationRequest
from models.versions import pipeline_version
from serving import (
    api,
    batch_api,
    case_action_pages,
    draft_pages,
    events_api,
    intake_api,
    job_pages,
    numbers_pages,
    pages,
    people_pages,
    problems,
    score_page,
    sight_pages,
    sign_in_pages,
    trail_pages,
    webhook_pages,
    worklist_pages,
)
from serving.clock_alarms import AlarmWatch
from serving.deliverer import Deliverer
from serving.deliveries import Deliveries
from serving.documents.pool import ReadingPool
from serving.due_gauges import DueGauges
from serving.envelope_keys import envelope_of
from serving.errors import BeingReadError, NotSignedInError, ServingError, StaleFormError, StoreUnavailableError
from serving.gate import Gate
from serving.jobs import JobQueue
from serving.key_check import KeyCheck
from serving.key_store import KeyStore
from serving.metrics import Metrics
from serving.not_signed_in import answer_not_signed_in, answer_stale_form
from serving.oidc import provider_of
from serving.readiness import ReadinessCheck
from serving.reading import OneAtATime, Reader, Triage
from serving.request_rate import RequestRate
from serving.safe_start import refuse_calls_without_keys
from serving.schemas import TRIAGE_RESULT_EXAMPLE, CancellationBody, ProblemBody, SearchBody
from serving.service import AuthorizationService
from serving.settings import Settings
from serving.sight_rate import SightRate
from serving.sign_in_limit import SignInLimit
from serving.store import Store
from serving.tenant_rooms import TenantRooms
from serving.tracing import Tracing
from serving.triage_pool import BegunTriage, TriagePool
from serving.webhook_address import AddressRule
from serving.workers import Workers

_log = logging.getLogger("greenlane.serving")


def create_app(
    settings: Settings,
    *,
    triage: Triage | None = None,
    draw: Callable[[], float] | None = None,
    migrate: bool = False,
    deliver: bool = False,
) -> FastAPI:
    """The application: store opened (and SQLite migrated), model loaded, routes mounted.

    ``triage`` replaces the champion model's triage; ``draw`` the blind audit's random numbers; ``migrate`` also
    migrates a database that is not SQLite; ``deliver`` sends webhooks while the application runs. Notes are read in this
    process unless the settings name a number of readers. Raises StoreUnavailableError where the database cannot be opened,
    and SettingsError for settings that are not safe, and a certificate file or an envelope key that cannot be read.
    """
    refuse_calls_without_keys(settings)
    store = Store.open(settings.database_url, migrate_always=migrate, envelope=envelope_of(settings))
    metrics = Metrics(Tracing.of(settings))
    documents = ReadingPool.of(settings)
    reading = _reading(settings, triage, metrics)
    queue = JobQueue(store)
    metrics.watch_queue(queue.depth)
    metrics.watch(DueGauges(store))
    service = AuthorizationService(
        store,
        reading.triage,
        audit_share=settings.audit_share,
        metrics=metrics,
        documents=documents,
        queue=queue,
        sync_characters=settings.sync_characters,
        begin=reading.begin,
        draw=draw,
    )

    def end_readers() -> None:
        documents.close()
        reading.close()

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
    app.state.store = store
    app.state.rooms = rooms = TenantRooms(
        store,
        service,
        undo_window=timedelta(minutes=settings.undo_minutes),
        addresses=AddressRule.of(settings),
        keys_kept=timedelta(days=settings.idempotency_days),
    )
    # The default tenant's, for the command that starts the service. Endpoints go to the room of who asks.
    default = rooms.of(store.tenant)
    app.state.service, app.state.people, app.state.drafts = default.service, default.people, default.drafts
    app.state.key_check = KeyCheck(KeyStore(store))
    app.state.request_rate = RequestRate()
    app.state.documents = documents
    app.state.queue = queue
    app.state.workers = Workers(service, queue, count=settings.workers, end_readers=end_readers)
    app.state.sight_rate = SightRate()
    app.state.sign_in_limit = SignInLimit(store)
    app.state.identity_provider = provider_of(settings)
    app.state.deliveries = Deliveries(store)
    app.state.deliverer = Deliverer.of(settings, store, metrics=metrics) if deliver else None
    app.state.metrics = metrics
    app.state.readiness = ReadinessCheck(settings, store, documents, reading.readiness)
    app.include_router(api.router)
    app.include_router(events_api.router)
    app.include_router(intake_api.router)
    app.include_router(batch_api.router)
    for place in (
        sign_in_pages,
        people_pages,
        draft_pages,
        job_pages,
        pages,
        score_page,
        sight_pages,
        trail_pages,
        webhook_pages,
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


@dataclass(frozen=True, slots=True)
class _Reading:
    """How this application triages: what does it, what of it works, how it is ended, and what lets one begin."""

    triage: Triage
    readiness: Callable[[], dict[str, str]]
    close: Callable[[], None] = lambda: None
    begin: Callable[[AuthorizationRequest], BegunTriage | None] = lambda _request: None


def _reading(settings: Settings, triage: Triage | None, metrics: Metrics) -> _Reading:
    if settings.readers and triage is None:
        pool = TriagePool(settings, processes=settings.readers, timed=metrics.time_triage)
        pool.start()
        return _Reading(pool.triage, pool.readiness, pool.close, pool.begin)
    reader = Reader.load(settings)
    return _Reading(OneAtATime(triage or reader.triage, timed=metrics.time_triage), reader.readiness)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    workers: Workers = app.state.workers
    workers.start()
    stopping = threading.Event()
    delivering = _deliver(app.state.deliverer, stopping)
    _watch_clocks(app.state.store, app.state.settings.alarm_minutes, stopping)
    yield
    stopping.set()
    workers.stop(app.state.settings.stop_seconds)
    if delivering is not None:
        delivering.join(timeout=30)
    app.state.store.close()
    app.state.metrics.close()


def _deliver(deliverer: Deliverer | None, stopping: threading.Event) -> threading.Thread | None:
    if deliverer is None:
        return None
    thread = threading.Thread(target=deliverer.run, args=(stopping,), name="webhooks", daemon=True)
    thread.start()
    return thread


def _watch_clocks(store: Store, minutes: int, stopping: threading.Event) -> None:
    if minutes:
        watch = AlarmWatch(store, every=timedelta(minutes=minutes))
        threading.Thread(target=watch.run, args=(stopping,), name="clocks", daemon=True).start()


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

    @app.exception_handler(BeingReadError)
    async def being_read(request: Request, error: BeingReadError) -> Response:
        if request.url.path.startswith("/v1/"):
            return JSONResponse(*api.received_answer(error.received))
        return job_pages.being_read_page(request, error.received)

    @app.exception_handler(ServingError)
    async def serving_error(request: Request, error: ServingError) -> Response:
        if isinstance(error, StoreUnavailableError):
            _log.error("a call is not answered: %s", error.logged)
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

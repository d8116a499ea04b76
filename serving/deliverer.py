"""Sends events to webhooks: at least once, in order for each case, for a day. Start as many as you like, anywhere."""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

import httpcore2
import httpx2

from serving.call_deadline import DeadlineNetwork, ends_within, within_deadline
from serving.deliveries import MOST_OF_ONE, Attempt, Deliveries, Taken
from serving.errors import ServingError, SettingsError, WebhookRefusedError
from serving.metrics import Metrics
from serving.outbox import RELEASED_AT_ONCE, Outbox
from serving.records import dumps
from serving.settings import Settings
from serving.store import Store
from serving.webhook_address import AddressRule, Destination
from serving.webhook_signature import signed_headers

AT_ONCE = 32
"""Most attempts under way in one deliverer: several times what one webhook gets, so that slow ones keep none waiting."""
ATTEMPT_SECONDS = 20.0
"""So long an attempt lasts at most, from its name's look-up to the end of its answer; less than its lease."""
_TIMEOUT = {"connect": 5.0, "read": 10.0, "write": 10.0, "pool": 10.0}
_KEPT_SECONDS = 5.0
_MOST_READ = 4096
_BROKEN_SECONDS = 5.0
_CALL_ERRORS = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
)

_Round = tuple[Future[Attempt], ...]
"""Attempts of one webhook that are under way together."""

_log = logging.getLogger("greenlane.webhooks")


class Deliverer:
    """Releases events and sends them. One :meth:`run` a thread or process; the database keeps them apart.

    ``trust``: which certificates are good; ``idle_seconds``: how often it looks while there is nothing to do;
    ``attempt_seconds``: how long an attempt may last as a whole. Logs and metrics name webhooks by id and say no address
    and no answer.
    """

    def __init__(
        self,
        store: Store,
        rule: AddressRule,
        *,
        metrics: Metrics | None = None,
        trust: ssl.SSLContext | bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        idle_seconds: float = 1.0,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._outbox = Outbox(store)
        self._deliveries = Deliveries(store)
        self._rule = rule
        self._metrics = metrics
        self._trust = trust
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._attempt_seconds = attempt_seconds
        self._making = threading.Lock()
        self._connections: dict[str, httpcore2.ConnectionPool] = {}

    @classmethod
    def of(cls, settings: Settings, store: Store, *, metrics: Metrics | None = None) -> Deliverer:
        """As the settings say. Raises SettingsError (GREENLANE_WEBHOOK_CA_FILE)."""
        return cls(store, AddressRule.of(settings), metrics=metrics, trust=_trust(settings))

    def run(self, stopping: threading.Event) -> None:
        """Deliver until ``stopping`` is set; what is under way then is finished first. Outlives a database that is away.

        Each webhook has its own rounds: none waits for another one's slowest attempt.
        """
        rounds: dict[str, _Round] = {}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as senders:
            while not (stopping.is_set() and not rounds):
                try:
                    if not self._go_on(senders, rounds, stopping):
                        self._wait(rounds, stopping)
                except ServingError as error:
                    _log.error("webhooks wait: %s", error.logged)
                    stopping.wait(_BROKEN_SECONDS)
                except Exception as error:
                    # Only its kind: what it says may hold an address or an event.
                    _log.error("webhooks wait: %s", type(error).__name__)
                    stopping.wait(_BROKEN_SECONDS)
        self.close()

    def deliver_once(self) -> int:
        """Release what is due and make one round of attempts. Returns how many there were of both; 0: nothing to do.

        Raises StoreUnavailableError.
        """
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as senders:
            released, begun = self._begin(senders, AT_ONCE, ())
            return released + sum(self._settle(attempts) for attempts in begun.values())

    def close(self) -> None:
        """Give all connections back."""
        with self._making:
            for connections in self._connections.values():
                connections.close()
            self._connections.clear()

    def _go_on(self, senders: ThreadPoolExecutor, rounds: dict[str, _Round], stopping: threading.Event) -> bool:
        """Settle the rounds that ended and begin others; whether there was anything to do."""
        ended = [webhook_id for webhook_id, attempts in rounds.items() if all(attempt.done() for attempt in attempts)]
        for webhook_id in ended:
            self._settle(rounds.pop(webhook_id))
        free = AT_ONCE - len(_under_way(rounds))
        if stopping.is_set() or not free:
            return bool(ended)
        released, begun = self._begin(senders, free, tuple(rounds))
        rounds |= begun
        # What came meanwhile and nobody waits for is released with what comes next: one by one costs much more.
        return bool(ended or begun) or released == RELEASED_AT_ONCE

    def _wait(self, rounds: dict[str, _Round], stopping: threading.Event) -> None:
        under_way = _under_way(rounds)
        if under_way:
            wait(under_way, self._idle_seconds, return_when=FIRST_COMPLETED)
        else:
            stopping.wait(self._idle_seconds)

    def _begin(self, senders: ThreadPoolExecutor, most: int, busy: Sequence[str]) -> tuple[int, dict[str, _Round]]:
        """Release what is due and begin rounds of at most so many attempts; how many were released, rounds by webhook."""
        released = self._outbox.release(now=self._clock())
        taken = self._deliveries.take(most, now=self._clock(), busy=busy)
        begun: dict[str, list[Future[Attempt]]] = {}
        for one in taken:
            begun.setdefault(one.webhook_id, []).append(senders.submit(self._attempt, one))
        return released, {webhook_id: tuple(attempts) for webhook_id, attempts in begun.items()}

    def _settle(self, ended: _Round) -> int:
        """Keep what a webhook's round came to, once all its attempts ended; how many there were."""
        attempts = tuple(attempt.result() for attempt in ended)
        delivered, given_up = self._deliveries.settle(attempts, now=self._clock())
        if self._metrics is not None:
            self._metrics.count_deliveries(
                delivered=delivered, retried=len(attempts) - delivered - given_up, failed=given_up
            )
        answers = sorted({attempt.answer for attempt in attempts if not attempt.delivered})
        if answers:
            _log.warning("webhook %s: not delivered: %s", attempts[0].taken.webhook_id, ", ".join(answers))
        return len(attempts)

    def _attempt(self, taken: Taken) -> Attempt:
        try:
            with ends_within(self._attempt_seconds):
                status = self._post(taken, self._rule.destination(taken.url))
        except WebhookRefusedError:
            return Attempt(taken, False, "address refused")
        except httpcore2.TimeoutException:
            return Attempt(taken, False, "timeout")
        except (*_CALL_ERRORS, httpx2.InvalidURL, OSError, ValueError) as error:
            return Attempt(taken, False, "no certificate we trust" if _is_about_trust(error) else "no connection")
        return Attempt(taken, 200 <= status < 300, str(status))

    def _post(self, taken: Taken, destination: Destination) -> int:
        # Finding the name is the system's, which no timeout ends: it counts, and an attempt it used up goes no further.
        within_deadline(None)
        body = body_of(taken.event_id, taken.content)
        url = httpx2.URL(taken.url)
        headers = {
            **signed_headers(taken.event_id, self._clock(), body, taken.secrets),
            "host": url.netloc.decode("ascii"),
            "accept": "*/*",
            "content-type": "application/json",
            "user-agent": "greenlane-webhooks",
        }
        # The address that was checked is the one that is called, whatever the name leads to a moment later.
        address = httpcore2.URL(
            scheme=url.raw_scheme,
            host=destination.address.partition("%")[0].encode("ascii"),
            port=url.port,
            target=url.raw_path,
        )
        extensions = {"timeout": _TIMEOUT, "sni_hostname": destination.host}
        connections = self._connections_of(destination.host)
        with connections.stream(
            "POST", address, content=body, headers=[*headers.items()], extensions=extensions
        ) as answer:
            _drop_body(answer)
            return answer.status

    def _connections_of(self, host: str) -> httpcore2.ConnectionPool:
        """Those of one name: a connection is found again by its address, and its certificate was checked for one name."""
        with self._making:
            if host not in self._connections:
                self._connections[host] = httpcore2.ConnectionPool(
                    ssl_context=httpx2.create_ssl_context(verify=self._trust, trust_env=False),
                    max_connections=AT_ONCE,
                    max_keepalive_connections=MOST_OF_ONE,
                    keepalive_expiry=_KEPT_SECONDS,
                    network_backend=DeadlineNetwork(),
                )
            return self._connections[host]


def _under_way(rounds: Mapping[str, _Round]) -> list[Future[Attempt]]:
    return [attempt for attempts in rounds.values() for attempt in attempts if not attempt.done()]


def body_of(event_id: str, content: str) -> bytes:
    """What is posted for an event: its JSON with its id first."""
    return dumps({"event_id": event_id, **json.loads(content)}).encode()


def _drop_body(answer: httpcore2.Response) -> None:
    """Read a short answer to its end, so that the connection can be used again; a long or slow one is broken off."""
    read = 0
    try:
        for chunk in answer.iter_stream():
            read += len(chunk)
            if read > _MOST_READ:
                return
    except _CALL_ERRORS:
        # The status came; what follows it is not asked for.
        return


def _is_about_trust(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if settings.webhook_ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=settings.webhook_ca_file)
    except (OSError, ssl.SSLError):
        raise SettingsError("GREENLANE_WEBHOOK_CA_FILE: holds no certificate that can be read") from None

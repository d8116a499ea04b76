"""Sends events to webhooks: at least once, in order for each case, for a day. Start as many as you like, anywhere."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx2

from serving.deliveries import Attempt, Deliveries, Taken
from serving.errors import ServingError, SettingsError, WebhookRefusedError
from serving.metrics import Metrics
from serving.outbox import Outbox
from serving.records import dumps
from serving.settings import Settings
from serving.store import Store
from serving.webhook_address import AddressRule, Destination
from serving.webhook_signature import signed_headers

AT_ONCE = 8
"""Most attempts under way in one deliverer."""
_TIMEOUT = httpx2.Timeout(10, connect=5)
_MOST_READ = 4096
_READING_SECONDS = 10
_BROKEN_SECONDS = 5.0

_log = logging.getLogger("greenlane.webhooks")


class Deliverer:
    """Releases events and sends them. One :meth:`run` a thread or process; the database keeps them apart.

    ``trust``: which certificates are good; ``idle_seconds``: how often it looks while there is nothing to do. Logs and
    metrics name webhooks by id and say no address and no answer.
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
    ) -> None:
        self._outbox = Outbox(store)
        self._deliveries = Deliveries(store)
        self._rule = rule
        self._metrics = metrics
        self._trust = trust
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._making = threading.Lock()
        self._clients: dict[str, httpx2.Client] = {}

    @classmethod
    def of(cls, settings: Settings, store: Store, *, metrics: Metrics | None = None) -> Deliverer:
        """As the settings say. Raises SettingsError (GREENLANE_WEBHOOK_CA_FILE)."""
        return cls(store, AddressRule.of(settings), metrics=metrics, trust=_trust(settings))

    def run(self, stopping: threading.Event) -> None:
        """Deliver until ``stopping`` is set; what is under way then is finished first. Outlives a database that is away."""
        while not stopping.is_set():
            try:
                if not self.deliver_once():
                    stopping.wait(self._idle_seconds)
            except ServingError as error:
                _log.error("webhooks wait: %s", error)
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
        released = self._outbox.release(now=self._clock())
        taken = self._deliveries.take(AT_ONCE, now=self._clock())
        if not taken:
            return released
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as senders:
            attempts = tuple(senders.map(self._attempt, taken))
        delivered, given_up = self._deliveries.settle(attempts, now=self._clock())
        if self._metrics is not None:
            self._metrics.count_deliveries(
                delivered=delivered, retried=len(attempts) - delivered - given_up, failed=given_up
            )
        for webhook_id in sorted({a.taken.webhook_id for a in attempts if not a.delivered}):
            answers = sorted({a.answer for a in attempts if a.taken.webhook_id == webhook_id and not a.delivered})
            _log.warning("webhook %s: not delivered: %s", webhook_id, ", ".join(answers))
        return released + len(attempts)

    def close(self) -> None:
        """Give all connections back."""
        with self._making:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _attempt(self, taken: Taken) -> Attempt:
        try:
            status = self._post(taken, self._rule.destination(taken.url))
        except WebhookRefusedError:
            return Attempt(taken, False, "address refused")
        except httpx2.TimeoutException:
            return Attempt(taken, False, "timeout")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return Attempt(taken, False, "no certificate we trust" if _is_about_trust(error) else "no connection")
        return Attempt(taken, 200 <= status < 300, str(status))

    def _post(self, taken: Taken, destination: Destination) -> int:
        body = body_of(taken.event_id, taken.content)
        url = httpx2.URL(taken.url)
        headers = {
            **signed_headers(taken.event_id, self._clock(), body, taken.secrets),
            "host": url.netloc.decode("ascii"),
            "content-type": "application/json",
            "user-agent": "greenlane-webhooks",
        }
        # The address that was checked is the one that is called, whatever the name leads to a moment later.
        address = url.copy_with(host=destination.address.partition("%")[0])
        client = self._client_of(destination.host)
        request = client.build_request(
            "POST", address, content=body, headers=headers, extensions={"sni_hostname": destination.host}
        )
        answer = client.send(request, stream=True)
        try:
            _drop_body(answer)
        finally:
            answer.close()
        return answer.status_code

    def _client_of(self, host: str) -> httpx2.Client:
        """One client a name: a connection is found again by its address, and its certificate was checked for one name."""
        with self._making:
            if host not in self._clients:
                self._clients[host] = httpx2.Client(
                    verify=self._trust,
                    timeout=_TIMEOUT,
                    trust_env=False,
                    follow_redirects=False,
                    limits=httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
                )
            return self._clients[host]


def body_of(event_id: str, content: str) -> bytes:
    """What is posted for an event: its JSON with its id first."""
    return dumps({"event_id": event_id, **json.loads(content)}).encode()


def _drop_body(answer: httpx2.Response) -> None:
    """Read a short answer to its end, so that the connection can be used again; a long or slow one is broken off."""
    read, deadline = 0, time.monotonic() + _READING_SECONDS
    try:
        for chunk in answer.iter_raw():
            read += len(chunk)
            if read > _MOST_READ or time.monotonic() > deadline:
                return
    except httpx2.HTTPError:
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

"""The errors of this room, each with the HTTP status it becomes. One line for the caller, never note text or values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from serving.stored_case import Received


class ServingError(Exception):
    """Something the caller or the operator has to know. ``slug`` names the kind of problem for machines."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something failed on our side"

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer's head says beside the status."""
        return {}

    @property
    def public(self) -> str:
        """The sentence for whoever calls the service, stranger or not."""
        return str(self)

    @property
    def logged(self) -> str:
        """The sentence for the log."""
        return str(self)


class UnreadableBodyError(ServingError):
    """The body is not JSON in UTF-8."""

    status = 400
    slug = "unreadable-body"
    title = "The body is not JSON in UTF-8"


class BodyTooLargeError(ServingError):
    """The body is larger than the limit."""

    status = 413
    slug = "body-too-large"
    title = "The body is larger than this service takes"


class InvalidParameterError(ServingError):
    """A query parameter cannot be used; ``field`` names it."""

    status = 422
    slug = "request-refused"
    title = "The request does not follow the contract"

    def __init__(self, field: str, message: str) -> None:
        self.problems = ((field, message),)
        super().__init__(f"{field}: {message}")


class UnknownAuthorizationError(ServingError):
    """No authorization has this id."""

    status = 404
    slug = "not-found"
    title = "No authorization has this id"


class AuthorizationErasedError(ServingError):
    """What the authorization said was erased; ids, codes, times and the route are what is left."""

    status = 410
    slug = "erased"
    title = "The contents of this authorization were erased"


class UnknownDocumentError(ServingError):
    """The authorization has no document of this id."""

    status = 404
    slug = "not-found"
    title = "The authorization has no document of this id"


class ContentConflictError(ServingError):
    """The external id, or the id of a document, is already stored with other content."""

    status = 409
    slug = "content-conflict"
    title = "Already stored with other content"


class CaseCancelledError(ServingError):
    """The request was cancelled: nothing is added to it or changed on it any more."""

    status = 409
    slug = "case-cancelled"
    title = "This request was cancelled"


class CancellationRefusedError(ServingError):
    """A request that was answered already cannot be cancelled."""

    status = 409
    slug = "already-determined"
    title = "This request was answered already"


class IdempotencyKeyReusedError(ServingError):
    """An Idempotency-Key came before with another call or other content."""

    status = 422
    slug = "idempotency-key-reused"
    title = "This Idempotency-Key was used for other content"


class UnknownBatchError(ServingError):
    """No batch has this id."""

    status = 404
    slug = "not-found"
    title = "No batch has this id"


class StoreUnavailableError(ServingError):
    """The database cannot be reached, read or written."""

    status = 503
    slug = "store-unavailable"
    title = "The database cannot be used right now"


class DatabaseRefusedError(StoreUnavailableError):
    """What the database's driver says. It may name host, port and user: only the command line repeats it."""

    def __init__(self, sentence: str, kind: str) -> None:
        self.kind = kind
        super().__init__(f"the database answers: {sentence}")

    @property
    def public(self) -> str:
        """That it cannot be used, and no more."""
        return "the database cannot be used right now"

    @property
    def logged(self) -> str:
        """The same with the driver's kind of error, which names nothing of the database or of a row."""
        return f"{self.public}: {self.kind}"


class KeyNeededError(ServingError):
    """A call without an API key, or with one that is not valid."""

    status = 401
    slug = "key-needed"
    title = "A valid API key is needed"

    @property
    def headers(self) -> Mapping[str, str]:
        """RFC 6750, 3."""
        return {"WWW-Authenticate": 'Bearer realm="greenlane"'}


class ScopeNeededError(ServingError):
    """The API key is valid and does not allow this call."""

    status = 403
    slug = "scope-needed"
    title = "The API key does not allow this"

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"the key does not have the scope {scope}")

    @property
    def headers(self) -> Mapping[str, str]:
        """RFC 6750, 3.1."""
        return {"WWW-Authenticate": f'Bearer realm="greenlane", error="insufficient_scope", scope="{self.scope}"'}


class TooManyRequestsError(ServingError):
    """The API key makes more calls than it may; ``seconds`` from now the next may be made."""

    status = 429
    slug = "too-many-requests"
    title = "Too many calls"

    def __init__(self, message: str, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(message)

    @property
    def headers(self) -> Mapping[str, str]:
        """RFC 9110, 10.2.3."""
        return {"Retry-After": str(self.seconds)}


class NotSignedInError(ServingError):
    """Nobody is signed in, or the sign-in has ended."""

    status = 401
    slug = "not-signed-in"
    title = "Please sign in"


class TooManySignInsError(ServingError):
    """Too many sign-ins failed; ``seconds`` from now the next may be tried."""

    status = 429
    slug = "too-many-sign-ins"
    title = "Too many sign-ins failed"

    def __init__(self, message: str, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(message)


class IdentityProviderError(ServingError):
    """The identity provider cannot be reached, or what it answers cannot be trusted."""

    status = 502
    slug = "identity-provider"
    title = "Your organization's sign-in cannot be used right now"


class SignInRefusedError(ServingError):
    """The identity provider knows the person, but they may not work here."""

    status = 403
    slug = "sign-in-refused"
    title = "You may not sign in here yet"


class NotAllowedError(ServingError):
    """The person's role does not hold what this needs."""

    status = 403
    slug = "not-allowed"
    title = "Your role does not allow this"


class StaleFormError(ServingError):
    """A form without the token of this sign-in: from an earlier sign-in, or from another site."""

    status = 403
    slug = "stale-form"
    title = "This form belongs to an earlier sign-in; open the page again"


class CaseChangedError(ServingError):
    """Somebody else, or a new document, changed the case since the person saw it."""

    status = 409
    slug = "case-changed"
    title = "The case has changed since you opened it"


class ActionRefusedError(ServingError):
    """What a person wants to do on a case is not possible now, or its form lacks something.

    ``problems`` are (field, message) pairs; the field is empty where the whole action is refused.
    """

    status = 422
    slug = "action-refused"
    title = "This cannot be recorded as it stands"

    def __init__(self, *problems: tuple[str, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{field}: {message}" if field else message for field, message in problems))


class PersonRefusedError(ServingError):
    """Somebody cannot be added or changed as asked; the message names the field."""

    status = 422
    slug = "person-refused"
    title = "This cannot be kept about a person"


class UnknownPersonError(ServingError):
    """Nobody has this id or name."""

    status = 404
    slug = "unknown-person"
    title = "Nobody has this id"


class UnknownTenantError(ServingError):
    """No tenant has this id."""

    status = 404
    slug = "unknown-tenant"
    title = "No tenant has this id"


class TenantRefusedError(ServingError):
    """A tenant cannot be added or changed as asked; the message names the field."""

    status = 422
    slug = "tenant-refused"
    title = "This cannot be kept about a tenant"


class UnknownKeyError(ServingError):
    """No API key has this id."""

    status = 404
    slug = "unknown-key"
    title = "No API key has this id"


class KeyChangeRefusedError(ServingError):
    """An API key cannot be added or changed as asked; the message names the field."""

    status = 422
    slug = "key-refused"
    title = "This cannot be kept about an API key"


class ServiceStoppingError(ServingError):
    """The service is stopping; what was accepted is triaged when it starts again."""

    status = 503
    slug = "service-stopping"
    title = "The service is stopping"


class ReaderEndedError(ServingError):
    """The process that read a request died, hung or failed. What was stored is tried again."""

    status = 503
    slug = "reader-ended"
    title = "The request could not be read just now"


class BeingReadError(ServingError):
    """A stored request that has no result yet; ``received`` says which. No fault: it is answered with 202."""

    status = 202
    slug = "being-read"
    title = "The request is being read"

    def __init__(self, received: Received) -> None:
        self.received = received
        super().__init__("the request is stored and has no result yet; ask again")


class UnknownJobError(ServingError):
    """No job has this number."""

    status = 404
    slug = "unknown-job"
    title = "No job has this number"


class JobRefusedError(ServingError):
    """A job that cannot be tried again as things stand; the message says why."""

    status = 409
    slug = "job-refused"
    title = "The job cannot be tried again"


class DecisionRefusedError(ServingError):
    """A decision that cannot be recorded as it stands; the message names the field."""

    status = 422
    slug = "decision-refused"
    title = "The decision cannot be recorded"


class AnchorError(ServingError):
    """What was given as an anchor of the trail is none."""

    status = 422
    slug = "anchor"
    title = "This is no anchor of the trail"


class TooManySightsError(ServingError):
    """A browser reports more of what was seen than anybody can look at."""

    status = 429
    slug = "too-many-sights"
    title = "Too much was reported as seen at once"


class HoldRefusedError(ServingError):
    """A legal hold cannot be placed or released as asked; the message names the option."""

    status = 422
    slug = "hold-refused"
    title = "The hold cannot be kept so"


class ErasureRefusedError(ServingError):
    """What was asked to be erased must be kept; the message says why, without naming the member."""

    status = 409
    slug = "erasure-refused"
    title = "This must be kept"


class ExportError(ServingError):
    """An export cannot be written; the message names the file."""

    slug = "export"
    title = "The export cannot be written"


class BackupError(ServingError):
    """A store cannot be copied to a file or made from one; the message names the file."""

    slug = "backup"
    title = "The store cannot be copied"


class UnknownPolicyError(ServingError):
    """No coverage policy has this id, or a directory holds none."""

    status = 404
    slug = "unknown-policy"
    title = "No coverage policy has this id"


class UnknownFamilyError(ServingError):
    """No coverage policy belongs to this service family."""

    status = 404
    slug = "unknown-family"
    title = "No coverage policy belongs to this service family"


class UnknownRuleError(ServingError):
    """No turnaround rule has this id."""

    status = 404
    slug = "unknown-rule"
    title = "No turnaround rule has this id"


class UnknownTableError(ServingError):
    """No table of numbers has this name."""

    status = 404
    slug = "unknown-table"
    title = "No table of numbers has this name"


class WebhookRefusedError(ServingError):
    """A webhook cannot be kept, or called, as it stands; the message names the field."""

    status = 422
    slug = "webhook-refused"
    title = "This cannot be a webhook"


class UnknownWebhookError(ServingError):
    """No webhook, or no delivery of it, has this id."""

    status = 404
    slug = "unknown-webhook"
    title = "No webhook has this id"


class SettingsError(ServingError):
    """A setting has a value that cannot be used; the message names its variable."""

    slug = "settings"
    title = "A setting cannot be used"

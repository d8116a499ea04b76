"""The errors of this room, each with the HTTP status it becomes. One line for the caller, never note text or values."""

from __future__ import annotations

from typing import ClassVar


class ServingError(Exception):
    """Something the caller or the operator has to know. ``slug`` names the kind of problem for machines."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something failed on our side"


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


class ServiceStoppingError(ServingError):
    """The service is stopping; what was accepted is triaged when it starts again."""

    status = 503
    slug = "service-stopping"
    title = "The service is stopping"


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


class ExportError(ServingError):
    """An export cannot be written; the message names the file."""

    slug = "export"
    title = "The export cannot be written"


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


class SettingsError(ServingError):
    """A setting has a value that cannot be used; the message names its variable."""

    slug = "settings"
    title = "A setting cannot be used"

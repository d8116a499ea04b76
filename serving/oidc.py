"""Sign-in through an identity provider: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError, MissingKeyError
from joserfc.jwk import KeySet

from serving.errors import IdentityProviderError, SettingsError, SignInRefusedError
from serving.roles import Role
from serving.settings import Settings, is_loopback, oidc_role_table

WAY_BACK = "/sign-in/oidc/back"
"""Where the identity provider sends the browser back to: the redirect URI's path."""
ATTEMPT_SECONDS = 600
"""So long may somebody take to sign in there."""

_ALGORITHMS = ("RS256", "PS256", "ES256")
_LEEWAY_SECONDS = 60
_TIMEOUT_SECONDS = 5.0
_DOCUMENTS_KEPT_SECONDS = 3600.0
_FAILURE_KEPT_SECONDS = 5.0
"""So long nobody waits again for a provider that could not describe itself just now."""
_KEYS_AGAIN_SECONDS = 10.0
"""A token signed by an unknown key makes us ask for the keys again, but not more often than this."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in, kept in the browser's own cookie until it comes back. ``next`` is where it goes then."""

    state: str
    nonce: str
    verifier: str
    next: str

    def as_cookie(self) -> str:
        """For :meth:`of_cookie`."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()

    @staticmethod
    def of_cookie(text: str) -> Attempt | None:
        """The attempt a cookie holds, None where it holds none."""
        try:
            held = json.loads(base64.urlsafe_b64decode(text))
            attempt = Attempt(**held)
        except (ValueError, TypeError):
            return None
        return attempt if all(isinstance(value, str) and value for value in held.values()) else None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who came back. ``subject`` is unique among all issuers, ``name`` what they would like to be called at sign-in.

    ``tenant`` is the organization the provider names; empty where no claim is set that would.
    """

    subject: str
    name: str
    display_name: str
    role: Role
    tenant: str


@dataclass(frozen=True, slots=True)
class _Endpoints:
    authorization: str
    token: str
    keys: str


class IdentityProvider:
    """The identity provider of the settings. Nothing is asked of it before somebody wants to sign in there."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        if settings.oidc_issuer is None or settings.oidc_client_id is None:
            raise SettingsError("GREENLANE_OIDC_ISSUER: is not set")
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else ""
        self._redirect_uri = f"{settings.public_url}{WAY_BACK}"
        self._role_claim = settings.oidc_role_claim
        self._tenant_claim = settings.oidc_tenant_claim
        self._roles = oidc_role_table(settings.oidc_roles)
        self._trust = _trust(settings)
        self._clock = clock
        # Held to look and to note, never while the provider is asked: one that is slow would keep everybody waiting in line.
        self._noting = threading.Lock()
        self._endpoints: tuple[float, _Endpoints] | None = None
        self._failure: tuple[float, str] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def begin(self, next_path: str) -> tuple[str, Attempt]:
        """Where to send the browser, and what it must bring back. Raises IdentityProviderError."""
        attempt = Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), next_path)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid profile email",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._discovered().authorization
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", attempt

    def finish(self, answer: Mapping[str, str], attempt: Attempt) -> Identity:
        """Who the browser comes back as; ``answer`` is the query it comes with.

        Raises IdentityProviderError where anything does not fit, SignInRefusedError where no role maps.
        """
        if not secrets.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise IdentityProviderError("state: is not the one this browser left with")
        # RFC 9207: a provider that names itself must be the one that was asked.
        if answer.get("iss", self._issuer) != self._issuer:
            raise IdentityProviderError("iss: another identity provider answers")
        if not answer.get("code"):
            raise IdentityProviderError("code: the identity provider gave none")
        return self._identity(self._checked(self._id_token(answer["code"], attempt), attempt))

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        held = _values_at(claims, self._role_claim)
        role = next((role for value, role in self._roles.items() if value in held), None)
        if role is None:
            raise SignInRefusedError("role: the identity provider gives no role that is known here")
        name = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
        display_name = str(claims.get("name") or name)
        return Identity(f"{self._issuer} {claims['sub']}", name, display_name, role, self._tenant(claims))

    def _tenant(self, claims: Mapping[str, Any]) -> str:
        """The one organization that the claim names: none, or several, lead nobody into the wrong one."""
        if self._tenant_claim is None:
            return ""
        named = {value.strip() for value in _values_at(claims, self._tenant_claim)} - {""}
        if len(named) != 1:
            raise SignInRefusedError("tenant: the identity provider must name one organization")
        return named.pop()

    def _id_token(self, code: str, attempt: Attempt) -> str:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": self._client_id,
            "code_verifier": attempt.verifier,
        }
        # RFC 6749 2.3.1: both parts are form-encoded before they become a user name and a password.
        login = httpx2.BasicAuth(_quoted(self._client_id), _quoted(self._secret)) if self._secret else None
        token = self._ask("POST", self._discovered().token, data=fields, auth=login).get("id_token")
        if not isinstance(token, str):
            raise IdentityProviderError("id_token: the identity provider gave none")
        return token

    def _checked(self, token: str, attempt: Attempt) -> Mapping[str, Any]:
        """The token's claims, once its signature, issuer, audience, times and nonce are found right."""
        rules = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": attempt.nonce},
        )
        try:
            claims = self._decoded(token)
            rules.validate(claims)
        except (JoseError, ValueError) as error:
            # Only its kind: what it says may hold the person's own claims.
            raise IdentityProviderError(f"id_token: {type(error).__name__}") from None
        if claims.get("azp", self._client_id) != self._client_id or not isinstance(claims["sub"], str):
            raise IdentityProviderError("id_token: is meant for another service")
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        asked_at = self._clock()
        try:
            return jwt.decode(token, self._key_set(asked_at), algorithms=_ALGORITHMS).claims
        except (BadSignatureError, InvalidKeyIdError, MissingKeyError, ValueError):
            # The provider may have changed its keys since we asked for them.
            fresh = self._key_set(asked_at, kept_seconds=_KEYS_AGAIN_SECONDS)
            return jwt.decode(token, fresh, algorithms=_ALGORITHMS).claims

    def _key_set(self, now: float, *, kept_seconds: float = _DOCUMENTS_KEPT_SECONDS) -> KeySet:
        with self._noting:
            if self._keys is not None and now - self._keys[0] < kept_seconds:
                return self._keys[1]
        document = self._ask("GET", self._discovered().keys)
        try:
            keys = KeySet.import_key_set({"keys": [key for key in document["keys"] if key.get("kty") != "oct"]})
        except (JoseError, KeyError, TypeError, ValueError, AttributeError):
            raise IdentityProviderError("jwks_uri: holds no keys") from None
        with self._noting:
            if self._keys is None or self._keys[0] <= now:
                self._keys = (now, keys)
        return keys

    def _discovered(self) -> _Endpoints:
        now = self._clock()
        with self._noting:
            if self._endpoints is not None and now - self._endpoints[0] < _DOCUMENTS_KEPT_SECONDS:
                return self._endpoints[1]
            if self._failure is not None and now - self._failure[0] < _FAILURE_KEPT_SECONDS:
                raise IdentityProviderError(self._failure[1])
        try:
            endpoints = self._discover()
        except IdentityProviderError as error:
            with self._noting:
                # From its end on: a provider that is slow has used up the seconds by then.
                self._failure = (self._clock(), str(error))
            raise
        with self._noting:
            self._endpoints, self._failure = (now, endpoints), None
        return endpoints

    def _discover(self) -> _Endpoints:
        document = self._ask("GET", f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self._issuer:
            raise IdentityProviderError("issuer: the identity provider calls itself something else")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        addresses = [str(document.get(name, "")) for name in names]
        if not all(_is_safe(address) for address in addresses):
            raise IdentityProviderError("the identity provider names no https addresses")
        return _Endpoints(*addresses)

    def _ask(
        self, method: str, address: str, *, data: dict[str, str] | None = None, auth: httpx2.BasicAuth | None = None
    ) -> dict[str, Any]:
        try:
            with httpx2.Client(verify=self._trust, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
                answer = client.request(method, address, data=data, auth=auth, headers={"accept": "application/json"})
            answer.raise_for_status()
            document = answer.json()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise IdentityProviderError(f"the identity provider cannot be asked: {type(error).__name__}") from None
        if not isinstance(document, dict):
            raise IdentityProviderError("the identity provider answers no JSON object")
        return document


def provider_of(settings: Settings) -> IdentityProvider | None:
    """The identity provider, None where no GREENLANE_OIDC_ISSUER is set. Raises SettingsError (GREENLANE_OIDC_CA_FILE)."""
    return IdentityProvider(settings) if settings.oidc_issuer is not None else None


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if settings.oidc_ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=settings.oidc_ca_file)
    except (OSError, ssl.SSLError):
        raise SettingsError("GREENLANE_OIDC_CA_FILE: holds no certificate that can be read") from None


def _values_at(claims: Mapping[str, Any], path: str) -> list[str]:
    """The strings at ``path``: the claim of that very name, else the one that its dots lead to."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    several = found if isinstance(found, list) else [found]
    return [value for value in several if isinstance(value, str)]


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _quoted(text: str) -> str:
    return urlencode({"": text})[1:]

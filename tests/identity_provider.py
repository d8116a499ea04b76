"""A small OpenID provider that really listens, signs and checks what it is sent; it lies where a test says so."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID = "greenlane"
CLIENT_SECRET = "the provider's secret: +/%"


class IdentityProviderServer:
    """Signs everybody in at once. ``person`` are the claims about them, ``lies`` replace claims of the ID token."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.person: dict[str, Any] = {
            "sub": "u-17",
            "preferred_username": "Ann.Lee",
            "name": "Ann Lee",
            "roles": ["staff", "um-nurses"],
        }
        self.lies: dict[str, Any] = {}
        self.discovery_lies: dict[str, Any] = {}
        self.asked: list[str] = []
        self.gives_keys = threading.Event()
        self.gives_keys.set()
        self.keys = [_key()]
        self.signs_with: Any = None
        self.algorithm = "RS256"
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        scheme = "http"
        if tls is not None:
            scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.issuer = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening: from now on it cannot be reached."""
        self._server.shutdown()
        self._server.server_close()

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one is not published any more."""
        self.keys = [_key()]

    def authorize(self, query: dict[str, str]) -> str:
        """The address to send the browser back to."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe()
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def token(self, fields: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The token answer, None where the code, the verifier or the client's secret is not right."""
        asked = self._codes.pop(fields.get("code", ""), None)
        login = base64.b64encode(f"{CLIENT_ID}:{urlencode({'': CLIENT_SECRET})[1:]}".encode()).decode()
        if asked is None or authorization != f"Basic {login}" or fields["redirect_uri"] != asked["redirect_uri"]:
            return None
        challenge = base64.urlsafe_b64encode(hashlib.sha256(fields["code_verifier"].encode()).digest()).rstrip(b"=")
        if challenge.decode() != asked["code_challenge"]:
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {name: value for name, value in (claims | self.person | self.lies).items() if value is not None}
        key = self.signs_with or self.keys[0]
        header = {"alg": self.algorithm} | ({"kid": key.kid} if key.kid else {})
        token = jwt.encode(header, claims, key, algorithms=[self.algorithm])
        return {"access_token": "unused", "token_type": "Bearer", "id_token": token}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                provider.asked.append(parts.path)
                if parts.path == "/authorize":
                    self.send_response(303)
                    self.send_header("Location", provider.authorize(dict(parse_qsl(parts.query))))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif parts.path == "/keys":
                    provider.gives_keys.wait(10)
                    self._json(200, KeySet(provider.keys).as_dict(private=False))
                else:
                    self._json(200, provider.discovery())

            def do_POST(self) -> None:
                provider.asked.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                answer = provider.token(dict(parse_qsl(body)), self.headers.get("Authorization", ""))
                self._json(200 if answer else 400, answer or {"error": "invalid_grant"})

            def _json(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def discovery(self) -> dict[str, Any]:
        """Its own description."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.discovery_lies,
        }


def _key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})


def tls_of_own_authority(folder: Path, *, expired: bool = False) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for 127.0.0.1 and the file of the authority that signed its certificate."""
    now = datetime.now(UTC)
    ends = now - timedelta(days=1) if expired else now + timedelta(days=1)
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of a test")])
    root = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(authority.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority, hashes.SHA256())
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(2)
        .not_valid_before(now - timedelta(days=8))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(authority, hashes.SHA256())
    )
    key = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "authority.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(key + certificate.public_bytes(serialization.Encoding.PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem")
    return tls, folder / "authority.pem"

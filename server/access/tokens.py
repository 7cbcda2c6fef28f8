"""Bearer tokens (JWT, RFC 7519): verified once, then remembered until they expire."""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import jwt

from server.access.definition import TokenDefinition
from server.access.keys import Keys
from server.access.scopes import ALL_SCOPES
from server.errors import UnauthenticatedError

_MAX_TOKEN_CHARACTERS = 8192  # gRPC takes no larger metadata by default
_MAX_SUBJECT_CHARACTERS = 200
_MAX_SCOPES = 100
_MAX_REMEMBERED = 4096

_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "token_expired"),
    (jwt.ImmatureSignatureError, "token_not_yet_valid"),
    (jwt.InvalidIssuerError, "token_issuer"),
    (jwt.InvalidAudienceError, "token_audience"),
    (jwt.InvalidAlgorithmError, "token_algorithm"),
    (jwt.InvalidSignatureError, "token_signature"),
    (jwt.MissingRequiredClaimError, "token_claim_missing"),
)


class Claims(NamedTuple):
    """What a good token says.

    Attributes:
        subject: Whom it names.
        scopes: The words of its scope claim; none where that does not count.
        until_s: When it ends to be good, leeway included, in seconds since 1970.
    """

    subject: str
    scopes: frozenset[str]
    until_s: float


class TokenVerifier:
    """Tells good tokens from others, by one set of keys.

    To verify a signature takes some 70 times as long as to find a token again. What is remembered is
    bounded: digests rather than tokens, the oldest forgotten first.
    """

    def __init__(
        self, definition: TokenDefinition, keys: Keys, now_s: Callable[[], float] = time.time
    ) -> None:
        """Accepts tokens of an issuer that these keys have signed."""
        self._definition = definition
        self._keys = keys
        self._now_s = now_s
        self._remembered: dict[bytes, Claims] = {}

    def __len__(self) -> int:
        """Returns how many tokens are remembered."""
        return len(self._remembered)

    def verify(self, token: str) -> Claims:
        """Returns what a token says.

        Raises:
            UnauthenticatedError: It is not good, or not any more.
        """
        if len(token) > _MAX_TOKEN_CHARACTERS or not token.isascii():
            raise UnauthenticatedError("token_malformed")
        digest = sha256(token.encode()).digest()
        claims = self._remembered.get(digest)
        if claims is None:
            claims = self._verified(token)
            if len(self._remembered) >= _MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[digest] = claims
        elif claims.until_s <= self._now_s():
            del self._remembered[digest]
            raise UnauthenticatedError("token_expired")
        return claims

    def _verified(self, token: str) -> Claims:
        try:
            return self._claims(self._decoded(token))
        except UnauthenticatedError:
            raise
        except Exception as error:  # whatever a stranger's bytes make of a parser: it is no good token
            reasons = (reason for kind, reason in _REASONS if isinstance(error, kind))
            # `from None`: a traceback would show the token.
            raise UnauthenticatedError(next(reasons, "token_malformed")) from None

    def _decoded(self, token: str) -> dict[str, Any]:
        """Returns a token's claims once its signature, issuer, audience and times are found good."""
        header = jwt.get_unverified_header(token)
        kid = header.get("kid", "")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None and len(self._keys) == 1 and "kid" not in header:
            (key,) = self._keys.values()
        if key is None:
            raise UnauthenticatedError("token_key_unknown")
        if "crit" in header:  # asks for what is not understood here (RFC 7515, 4.1.11)
            raise UnauthenticatedError("token_malformed")
        # The key's, never the token's: neither `none` nor a public key taken for a secret.
        algorithm = key.algorithm_name
        if header["alg"] != algorithm:
            raise UnauthenticatedError("token_algorithm")
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._definition.issuer,
            audience=self._definition.audience,
            leeway=self._definition.leeway_s,
            options={"require": ["iss", "aud", "exp", "sub"]},
        )

    def _claims(self, decoded: dict[str, Any]) -> Claims:
        subject = decoded["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_CHARACTERS:
            raise UnauthenticatedError("token_malformed")
        told = decoded.get(self._definition.scope_claim, "") if self._definition.scope_claim else ""
        words = told.split() if isinstance(told, str) else told
        if not isinstance(words, list) or len(words) > _MAX_SCOPES:
            raise UnauthenticatedError("token_malformed")
        scopes = frozenset(word for word in words if isinstance(word, str))
        return Claims(subject, scopes & ALL_SCOPES, float(decoded["exp"]) + self._definition.leeway_s)

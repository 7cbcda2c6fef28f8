"""Who may do what: the access file with the keys that it names, ready to answer."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.access.caller import Caller, peer_caller
from server.access.definition import AccessDefinition, read_access_file
from server.access.scopes import needed_scope
from server.errors import PermissionDeniedError, UnauthenticatedError

if TYPE_CHECKING:
    from server.access.tokens import TokenVerifier

_NO_SCOPES: frozenset[str] = frozenset()
_BEARER = "bearer"


class Shown(NamedTuple):
    """What a call shows of who makes it.

    Attributes:
        authorizations: Its `authorization` headers.
        certificate_names: The names in its client certificate, best first; none without one.
        peer: Its address, as gRPC writes it.
    """

    authorizations: list[str | bytes]
    certificate_names: tuple[str, ...]
    peer: str


class Policy:
    """Decides who calls, and whether that one may. Equal when its files say the same."""

    def __init__(self, definition: AccessDefinition, path: Path, keys: bytes = b"") -> None:
        """Prepares to answer.

        Args:
            definition: What the access file says.
            path: The access file.
            keys: What the key file holds; nothing where no tokens are accepted.

        Raises:
            StartError: The keys cannot be used.
        """
        self._said = definition, keys
        self._open = definition.open_methods
        self._by_subject = _scopes({it.token: it.scopes for it in definition.callers})
        self._by_certificate = _scopes({it.certificate: it.scopes for it in definition.callers})
        self.files = [path]
        self.tokens: TokenVerifier | None = None
        if definition.tokens is not None:
            # Imported here: who uses no tokens needs neither PyJWT nor cryptography.
            from server.access import tokens
            from server.access.keys import parse_keys

            self.files.append(key_file := path.parent / definition.tokens.keys)
            self.tokens = tokens.TokenVerifier(definition.tokens, parse_keys(keys, key_file))

    def __eq__(self, other: object) -> bool:
        """Returns whether the files say the same."""
        return isinstance(other, Policy) and self._said == other._said

    __hash__ = None  # type: ignore[assignment]

    def admit(self, method: str, shown: Shown) -> Caller:
        """Returns who calls.

        Args:
            method: Name of the method, for example "Predict".
            shown: What the call shows.

        Raises:
            UnauthenticatedError: It shows nothing that is good.
            PermissionDeniedError: The caller may not call the method.
        """
        caller, scopes = self._identify(shown)
        scope = needed_scope(method)
        if scope in scopes or method in self._open:
            return caller
        if caller.kind == "anonymous":
            raise UnauthenticatedError("nothing_shown")
        raise PermissionDeniedError(method, scope)

    def _identify(self, shown: Shown) -> tuple[Caller, frozenset[str]]:
        """Returns the caller and its scopes: by its token where it shows one, else by its certificate."""
        if self.tokens is not None and shown.authorizations:
            claims = self.tokens.verify(_bearer_token(shown.authorizations))
            granted = self._by_subject.get(claims.subject, _NO_SCOPES)
            return Caller(claims.subject, "token"), granted | claims.scopes
        if shown.certificate_names:
            return certificate_caller(shown.certificate_names, self._by_certificate)
        return peer_caller(shown.peer), _NO_SCOPES


def certificate_caller(
    names: tuple[str, ...], scopes: Mapping[str, frozenset[str]]
) -> tuple[Caller, frozenset[str]]:
    """Returns the caller that a certificate names, and its scopes.

    Args:
        names: The names in it, best first.
        scopes: Scopes by name. It has those of all its names; the first of them that is listed is its own.
    """
    known = [name for name in names if name in scopes]
    granted = _NO_SCOPES.union(*(scopes[name] for name in known))
    return Caller((known or names)[0], "certificate"), granted


def read_policy(path: Path, *, mutual_tls: bool) -> Policy:
    """Returns what an access file and the key file that it names say.

    Args:
        path: The access file.
        mutual_tls: Whether callers show certificates.

    Raises:
        StartError: When one of them cannot be read or is wrong; names file and place.
    """
    definition = read_access_file(path, mutual_tls=mutual_tls)
    if definition.tokens is None:
        return Policy(definition, path)
    from server.access.keys import read_keys

    return Policy(definition, path, read_keys(path.parent / definition.tokens.keys))


def _scopes(listed: Mapping[str | None, Iterable[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(scopes) for name, scopes in listed.items() if name is not None}


def _bearer_token(authorizations: list[str | bytes]) -> str:
    """Returns the token of the one `authorization` header that a call may have (RFC 6750)."""
    if len(authorizations) > 1:  # which of them another party on the way has looked at is anybody's guess
        raise UnauthenticatedError("authorization_repeated")
    (shown,) = authorizations
    if not isinstance(shown, str):
        raise UnauthenticatedError("token_malformed")
    scheme, _, token = shown.partition(" ")
    if scheme.lower() != _BEARER:
        raise UnauthenticatedError("authorization_scheme")
    return token.strip(" ")

"""The access file: which identities there are, what each may do, and what is open to everybody."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from server.access.scopes import LIST_MODELS, REFLECTION, Scope
from server.errors import StartError
from server.toml_file import read_toml

_OPENABLE = {"list_models": LIST_MODELS, "reflection": REFLECTION}


class TokenDefinition(BaseModel):
    """Which tokens are accepted.

    Attributes:
        issuer: The `iss` that a token has to have.
        audience: What its `aud` has to be, or to hold.
        keys: File of the issuer's public keys (JWKS), relative to the access file.
        scope_claim: The claim whose words are scopes of the token's own; without one, none are.
        leeway_s: How far the issuer's clock may be from ours, in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    issuer: str = Field(min_length=1, max_length=1000)
    audience: str = Field(min_length=1, max_length=1000)
    keys: str = Field(min_length=1)
    scope_claim: str | None = Field(default=None, min_length=1, max_length=200)
    leeway_s: float = Field(default=10.0, ge=0, le=60, allow_inf_nan=False)


class CallerDefinition(BaseModel):
    """A caller, and what it may do.

    Attributes:
        token: The `sub` of its tokens.
        certificate: A name in its certificate: a URI as it stands, `dns:NAME` or `cn:NAME`.
        scopes: What it may do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    token: str | None = Field(default=None, min_length=1, max_length=200)
    certificate: str | None = Field(
        default=None, pattern=r"^(dns:|cn:|[a-z][a-z0-9+.-]*://).", max_length=2000
    )
    scopes: list[Scope] = Field(max_length=100)

    @model_validator(mode="after")
    def _is_one(self) -> "CallerDefinition":
        if (self.token is None) == (self.certificate is None):
            raise ValueError("a caller has either a token or a certificate")
        return self


class AccessDefinition(BaseModel):
    """What an access file says.

    Attributes:
        open: What needs no caller: `list_models`, `reflection`, both or, by default, neither.
        tokens: Which tokens are accepted; none without it.
        callers: Who may do what; nobody else may do anything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    open: list[Literal["list_models", "reflection"]] = Field(default=[], max_length=10)
    tokens: TokenDefinition | None = None
    callers: list[CallerDefinition] = Field(default=[], max_length=10_000)

    @model_validator(mode="after")
    def _holds_together(self) -> "AccessDefinition":
        names = [(caller.token, caller.certificate) for caller in self.callers]
        if len(set(names)) < len(names):
            raise ValueError("two callers have the same token or certificate")
        if self.tokens is None and any(token for token, _ in names):
            raise ValueError("callers by token need the table [tokens]")
        if not names and (self.tokens is None or self.tokens.scope_claim is None):
            raise ValueError("nobody may call: there are no callers, and no scope_claim of tokens")
        return self

    @property
    def open_methods(self) -> frozenset[str]:
        """Returns the methods that need no caller."""
        return frozenset(_OPENABLE[name] for name in self.open)


def read_access_file(path: Path, *, mutual_tls: bool) -> AccessDefinition:
    """Returns what an access file says.

    Args:
        path: The file.
        mutual_tls: Whether callers show certificates.

    Raises:
        StartError: When it cannot be read or is wrong; names the place.
    """
    definition = read_toml(path, "access file", AccessDefinition)
    if not mutual_tls and any(caller.certificate for caller in definition.callers):
        raise StartError(f"{path}: callers by certificate need mutual TLS (--tls-client-ca)")
    return definition

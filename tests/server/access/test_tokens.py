"""Which tokens are taken, and which are not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from server.access import tokens
from server.access.definition import TokenDefinition
from server.access.keys import parse_keys
from server.access.tokens import TokenVerifier
from server.errors import UnauthenticatedError
from tests.authority import AUDIENCE, ISSUER, KEYS, claims, jwk, public_pem, token

NOW_S = time.time()


def verifier(*keys: dict[str, Any], now_s: float = NOW_S, **changes: Any) -> TokenVerifier:
    listed = list(keys) or [jwk(algorithm) for algorithm in KEYS]
    said = {"issuer": ISSUER, "audience": AUDIENCE, "keys": "jwks.json", "scope_claim": "scope"}
    definition = TokenDefinition(**(said | changes))
    parsed = parse_keys(json.dumps({"keys": listed}).encode(), Path("jwks.json"))
    return TokenVerifier(definition, parsed, lambda: now_s)


def raw(header: dict[str, Any], payload: Any, secret: bytes = b"") -> str:
    """Puts a token together by hand, signed with a secret or not at all."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload)]
    signed = b".".join(parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_good_token_names_its_subject_and_scopes(algorithm: str) -> None:
    found = verifier().verify(token(algorithm, scope="predict rank something-else"))
    assert found.subject == "player"
    assert found.scopes == {"predict", "rank"}
    assert verifier().verify(token(algorithm, aud=["other", AUDIENCE], scope=["log"])).scopes == {"log"}
    assert verifier(scope_claim=None).verify(token(algorithm, scope="admin")).scopes == frozenset()


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: token(exp=NOW_S - 11), "token_expired"),
    "not yet valid": (lambda: token(nbf=time.time() + 60), "token_not_yet_valid"),
    "issued in the future": (lambda: token(iat=time.time() + 60), "token_not_yet_valid"),
    "another issuer": (lambda: token(iss="https://login.example"), "token_issuer"),
    "another audience": (lambda: token(aud="other"), "token_audience"),
    "no audience": (lambda: token(aud=None), "token_claim_missing"),
    "no issuer": (lambda: token(iss=None), "token_claim_missing"),
    "no end": (lambda: token(exp=None), "token_claim_missing"),
    "no subject": (lambda: token(sub=None), "token_claim_missing"),
    "a subject that is no text": (lambda: token(sub=5), "token_malformed"),
    "an empty subject": (lambda: token(sub=""), "token_malformed"),
    "a huge subject": (lambda: token(sub="x" * 201), "token_malformed"),
    "an end that is no number": (lambda: token(exp="tomorrow"), "token_malformed"),
    "an infinite end": (lambda: token(exp=float("inf")), "token_malformed"),
    "scopes that are no words": (lambda: token(scope={"predict": 1}), "token_malformed"),
    "an unknown key": (lambda: token(kid="another"), "token_key_unknown"),
    "no key named among several": (lambda: jwt.encode(claims(), KEYS["ES256"], "ES256"), "token_key_unknown"),
    "a stranger's signature": (
        lambda: token("ES256", ec.generate_private_key(ec.SECP256R1())),
        "token_signature",
    ),
    "another key's algorithm": (lambda: token("ES256", kid="RS256"), "token_algorithm"),
    "none": (lambda: raw({"alg": "none", "kid": "ES256"}, claims()), "token_algorithm"),
    "none in capitals": (lambda: raw({"alg": "NONE", "kid": "RS256"}, claims()), "token_algorithm"),
    "no algorithm": (lambda: raw({"kid": "RS256"}, claims()), "token_malformed"),
    "the public key as a secret": (
        lambda: raw({"alg": "HS256", "kid": "RS256"}, claims(), public_pem("RS256")),
        "token_algorithm",
    ),
    "the public key as a secret, under the key's algorithm": (
        lambda: raw({"alg": "RS256", "kid": "RS256"}, claims(), public_pem("RS256")),
        "token_signature",
    ),
    "a key of its own": (
        lambda: jwt.encode(
            claims(), KEYS["EdDSA"], "EdDSA", {"kid": "x", "jwk": jwk("EdDSA"), "jku": "http://127.0.0.1/"}
        ),
        "token_key_unknown",
    ),
    "a critical extension": (
        lambda: jwt.encode(claims(), KEYS["ES256"], "ES256", {"kid": "ES256", "crit": ["exp"], "exp": 1}),
        "token_malformed",
    ),
    "a kid that is no text": (lambda: raw({"alg": "ES256", "kid": ["ES256"]}, claims()), "token_malformed"),
    "a nested header": (
        lambda: (base64.urlsafe_b64encode(b"[" * 5000) + b".e30.e30").decode(),
        "token_malformed",
    ),
    "no token": (lambda: "", "token_malformed"),
    "dots": (lambda: "..", "token_malformed"),
    "not ASCII": (lambda: "żółw", "token_malformed"),
    "a giant": (lambda: token(pad="x" * 8000), "token_malformed"),
    "no signature": (lambda: token().rpartition(".")[0] + ".", "token_signature"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_good_token_is_refused_alike_and_not_remembered(name: str) -> None:
    made, reason = REFUSED[name]
    shown, tried = made(), verifier()
    with pytest.raises(UnauthenticatedError) as caught:
        tried.verify(shown)
    assert caught.value.reason == reason
    assert str(caught.value) == "a valid token or client certificate is needed"
    assert caught.value.__cause__ is None
    assert len(tried) == 0


def test_a_little_unlike_clocks_do_no_harm() -> None:
    assert verifier().verify(token(exp=time.time() - 5)).subject == "player"
    assert verifier().verify(token(nbf=time.time() + 5)).subject == "player"
    with pytest.raises(UnauthenticatedError):
        verifier(leeway_s=0.0).verify(token(exp=time.time() - 5))


def test_a_token_may_leave_out_which_key_when_there_is_one() -> None:
    unnamed = jwt.encode(claims(), KEYS["RS256"], "RS256")
    assert verifier(jwk("RS256")).verify(unnamed).subject == "player"
    with pytest.raises(UnauthenticatedError):
        verifier(jwk("RS256")).verify(token("RS256", kid=""))


def test_a_token_is_verified_once_and_ends_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    decode = jwt.decode

    def counted(shown: str, *arguments: Any, **options: Any) -> Any:
        decoded.append(shown)
        return decode(shown, *arguments, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    now = [NOW_S]
    tried = verifier()
    tried._now_s = lambda: now[0]
    shown = token(exp=NOW_S + 600)
    assert [tried.verify(shown).subject for _ in range(3)] == ["player"] * 3
    assert decoded == [shown]
    now[0] = NOW_S + 611
    with pytest.raises(UnauthenticatedError) as caught:
        tried.verify(shown)
    assert caught.value.reason == "token_expired"
    assert len(tried) == 0


def test_what_is_remembered_is_bounded_and_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_MAX_REMEMBERED", 3)
    tried = verifier()
    shown = [token("EdDSA", sub=f"device-{number}") for number in range(5)]
    assert [tried.verify(it).subject for it in shown] == [f"device-{number}" for number in range(5)]
    assert len(tried) == 3
    assert not any(it in repr(tried._remembered) for it in shown)

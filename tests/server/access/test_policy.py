"""Each method by each scope, by each way to say who one is."""

from pathlib import Path
from typing import Any

import pytest

from playthrough.v1 import prediction_service_pb2 as pb
from server.access.caller import Caller
from server.access.policy import Policy, Shown, read_policy
from server.access.scopes import ALL_SCOPES, needed_scope
from server.errors import PermissionDeniedError, UnauthenticatedError
from tests.authority import AUDIENCE, ISSUER, token, write_jwks

NEEDED = {
    "Predict": "predict",
    "RankTracks": "rank",
    "PlanPrefetch": "rank",
    "PredictRandom": "log",
    "RecordOutcome": "outcome",
    "ListModels": "admin",
    "ServerReflectionInfo": "admin",
}
TOKENS = f"""
[tokens]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
keys = "jwks.json"
"""
CALLERS = TOKENS + "".join(
    f"""
[[callers]]
{kind} = "{prefix}{scope}"
scopes = ["{scope}"]
"""
    for scope in ALL_SCOPES
    for kind, prefix in (("token", ""), ("certificate", "dns:"))
)
PEER = "ipv4:127.0.0.1:5"


def policy(folder: Path, text: str = CALLERS) -> Policy:
    write_jwks(folder / "jwks.json")
    (folder / "access.toml").write_text(text)
    return read_policy(folder / "access.toml", mutual_tls=True)


def by_token(subject: str, **changes: Any) -> Shown:
    return Shown([f"Bearer {token('EdDSA', sub=subject, **changes)}"], (), PEER)


def test_every_method_of_the_contract_has_a_scope() -> None:
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["PredictionService"].methods}
    assert methods | {"ServerReflectionInfo"} == NEEDED.keys()
    assert {method: needed_scope(method) for method in NEEDED} == NEEDED
    assert needed_scope("ComesLater") == "admin"


@pytest.mark.parametrize("method", NEEDED)
@pytest.mark.parametrize("scope", sorted(ALL_SCOPES))
def test_a_scope_opens_its_methods_and_no_other(tmp_path: Path, method: str, scope: str) -> None:
    said = policy(tmp_path)
    for shown, caller in (
        (by_token(scope), Caller(scope, "token")),
        (Shown([], (f"dns:{scope}",), PEER), Caller(f"dns:{scope}", "certificate")),
    ):
        if NEEDED[method] == scope:
            assert said.admit(method, shown) == caller
            continue
        with pytest.raises(PermissionDeniedError) as caught:
            said.admit(method, shown)
        assert str(caught.value) == f"{method} needs the scope {NEEDED[method]!r}"


@pytest.mark.parametrize("method", NEEDED)
def test_who_shows_nothing_may_do_what_is_open(tmp_path: Path, method: str) -> None:
    nothing = Shown([], (), PEER)
    with pytest.raises(UnauthenticatedError):
        policy(tmp_path).admit(method, nothing)
    opened = policy(tmp_path, 'open = ["list_models", "reflection"]\n' + CALLERS)
    if NEEDED[method] == "admin":
        assert opened.admit(method, nothing) == Caller("ipv4:127.0.0.1", "anonymous")
        assert opened.admit(method, by_token("predict")).name == "predict"
        with pytest.raises(UnauthenticatedError):  # who shows a token means it
            opened.admit(method, Shown(["Bearer x"], (), PEER))
    else:
        with pytest.raises(UnauthenticatedError):
            opened.admit(method, nothing)


def test_who_is_not_listed_may_do_nothing(tmp_path: Path) -> None:
    for shown in (by_token("stranger"), Shown([], ("dns:stranger",), PEER)):
        with pytest.raises(PermissionDeniedError):
            policy(tmp_path).admit("Predict", shown)


def test_the_scopes_of_a_token_count_where_the_file_says_so(tmp_path: Path) -> None:
    counting = policy(tmp_path, TOKENS + 'scope_claim = "scope"\n')
    assert counting.admit("RankTracks", by_token("device-7", scope="rank other")).name == "device-7"
    with pytest.raises(PermissionDeniedError):
        counting.admit("Predict", by_token("device-7", scope="rank other"))
    with pytest.raises(PermissionDeniedError):
        policy(tmp_path).admit("RankTracks", by_token("device-7", scope="rank"))


def test_a_token_says_who_calls_where_there_is_a_certificate_too(tmp_path: Path) -> None:
    both = by_token("predict")._replace(certificate_names=("dns:rank",))
    assert policy(tmp_path).admit("Predict", both) == Caller("predict", "token")
    with pytest.raises(PermissionDeniedError):
        policy(tmp_path).admit("RankTracks", both)


def test_a_certificate_has_the_scopes_of_all_its_names(tmp_path: Path) -> None:
    shown = Shown([], ("spiffe://example.com/x", "dns:rank", "dns:log"), PEER)
    for method in ("RankTracks", "PredictRandom"):
        assert policy(tmp_path).admit(method, shown) == Caller("dns:rank", "certificate")


@pytest.mark.parametrize(
    "authorizations",
    [
        ["Basic cGxheWVyOnNlY3JldA=="],
        ["Bearer"],
        ["Bearer "],
        [""],
        [b"Bearer \xff"],
        ["{token}"],
        ["Bearer {token}", "Bearer {token}"],
        ["Bearer {token}, Bearer {token}"],
        ["Bearer {token} x"],
    ],
)
def test_other_authorizations_are_refused(tmp_path: Path, authorizations: list[str | bytes]) -> None:
    good = token("EdDSA", sub="predict")
    shown = [it.replace("{token}", good) if isinstance(it, str) else it for it in authorizations]
    with pytest.raises(UnauthenticatedError):
        policy(tmp_path).admit("Predict", Shown(shown, (), PEER))


def test_the_scheme_is_written_as_one_likes(tmp_path: Path) -> None:
    shown = Shown([f"bearer {token('EdDSA', sub='predict')}"], (), PEER)
    assert policy(tmp_path).admit("Predict", shown).name == "predict"


def test_a_file_without_tokens_does_not_look_at_them(tmp_path: Path) -> None:
    said = policy(tmp_path, '[[callers]]\ncertificate = "cn:predict"\nscopes = ["predict"]\n')
    shown = Shown(["Basic x"], ("cn:predict",), PEER)
    assert said.admit("Predict", shown) == Caller("cn:predict", "certificate")

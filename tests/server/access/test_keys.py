"""Which key files are taken."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from server.access.keys import parse_keys, read_keys
from server.errors import StartError
from tests.authority import KEYS, jwk

PATH = Path("jwks.json")
SECRET = jwt.algorithms.ECAlgorithm.to_jwk(KEYS["ES256"], as_dict=True)


def parse(*keys: Any) -> Any:
    return parse_keys(json.dumps({"keys": list(keys)}).encode(), PATH)


def test_each_key_has_one_algorithm_and_others_are_left_out() -> None:
    other_curve = jwt.algorithms.ECAlgorithm.to_jwk(
        ec.generate_private_key(ec.SECP384R1()).public_key(), True
    )
    found = parse(
        *map(jwk, KEYS), jwk("RS256", kid="512", alg="RS512"), jwk("RS256", kid="enc", use="enc"), other_curve
    )
    assert {kid: key.algorithm_name for kid, key in found.items()} == {it: it for it in KEYS}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a JWKS"),
        (b'{"keys": [', "not a JWKS"),
        (b"[]", "not a JWKS"),
        (b"[" * 100_000, "not a JWKS"),
        (b'{"keys": {}}', "keys: not a list"),
        (b'{"keys": []}', "keys: not a list"),
        (b'{"keys": [1]}', r"keys\.0: not a key"),
        (b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "", "y": ""}]}', r"keys\.0: not a public key"),
        (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}', r"keys\.0: a secret key"),
        (json.dumps({"keys": [SECRET]}).encode(), r"keys\.0: a secret key"),
        (json.dumps({"keys": [jwk("RS256", alg="RS512")]}).encode(), "keys: none for RS256, ES256 or EdDSA"),
        (json.dumps({"keys": [jwk("RS256"), jwk("ES256", kid="RS256")]}).encode(), "two have the same kid"),
        (json.dumps({"keys": [jwk("RS256", kid=5)]}).encode(), r"keys\.0\.kid: not a string"),
        (json.dumps({"keys": [jwk("RS256"), jwk("ES256", kid="")]}).encode(), "one of several has no kid"),
        (
            json.dumps({"keys": [jwk("RS256", rsa.generate_private_key(65537, 1024))]}).encode(),
            r"keys\.0: an RSA key of fewer than 2048 bits",
        ),
    ],
)
def test_a_bad_key_file_is_one_line_that_names_the_place(content: bytes, problem: str) -> None:
    with pytest.raises(StartError, match=problem) as caught:
        parse_keys(content, PATH)
    assert str(caught.value).startswith("jwks.json: ")
    assert "\n" not in str(caught.value)
    assert str(SECRET["d"]) not in str(caught.value)


def test_a_file_that_is_not_there_or_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read the key file .*jwks\.json: No such file"):
        read_keys(tmp_path / "jwks.json")
    (tmp_path / "jwks.json").write_bytes(b" " * (257 << 10))
    with pytest.raises(StartError, match="larger than 256 KiB"):
        read_keys(tmp_path / "jwks.json")

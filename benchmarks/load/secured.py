"""What TLS and a token cost a call, beside a server that asks for neither."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from benchmarks.load.comparing import Row
from benchmarks.load.servers import Running
from benchmarks.load.setup import Figure, Setup

_IN_FLIGHT = 64
_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt"
)
_ACCESS = """
[tokens]
issuer = "benchmark"
audience = "playthrough"
keys = "jwks.json"

[[callers]]
token = "player"
scopes = ["predict"]
"""


def tls(setup: Setup) -> Iterator[Row | Figure]:
    """Compares single predictions over TLS, with a token and with both to those with neither."""
    bench, header = setup.bench, f"authorization: Bearer {_credentials(setup.folder)}"
    tls_on = ("--tls-dir", str(setup.folder))
    tokens_on = ("--access-file", str(setup.folder / "access.toml"))
    kinds = {
        "TLS": (tls_on, "https", ()),
        "a token": (tokens_on, "http", (header,)),
        "TLS and a token": (tls_on + tokens_on, "https", (header,)),
    }
    with ExitStack() as stack:

        def run(name: str, options: tuple[str, ...]) -> Running:
            return stack.enter_context(replace(setup, folder=setup.folder / name).ours(*options))

        bare = run("bare", ())
        for name, (options, scheme, headers) in kinds.items():
            ours = replace(run(name, options), scheme=scheme, headers=headers)
            claim = f"Predict, {_IN_FLIGHT} in flight, {name} to neither"
            yield bench.compare(
                claim,
                "calls/s",
                lambda ours=ours: bench.rate(ours, "Predict", _IN_FLIGHT),  # type: ignore[misc]
                lambda: bench.rate(bare, "Predict", _IN_FLIGHT),
            )
            yield bench.compare(
                f"{claim}: processor time",
                "µs/call",
                lambda ours=ours: bench.cpu_us(ours, "Predict", _IN_FLIGHT),  # type: ignore[misc]
                lambda: bench.cpu_us(bare, "Predict", _IN_FLIGHT),
            )


def _credentials(folder: Path) -> str:
    """Writes a certificate, its key, a JWKS of it and an access file; returns a token for an hour."""
    subprocess.run(_CERTIFICATE.split(), cwd=folder, check=True, capture_output=True)
    key = load_pem_private_key((folder / "tls.key").read_bytes(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    (folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
    (folder / "access.toml").write_text(_ACCESS)
    claims = {"iss": "benchmark", "aud": "playthrough", "sub": "player", "exp": time.time() + 3600}
    return jwt.encode(claims, key, "ES256")

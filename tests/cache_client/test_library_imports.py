"""What other people's programs import loads gRPC and protobuf, and nothing of the laboratory."""

import subprocess
import sys

import pytest

LOADED = """
import sys
before = set(sys.modules)
import {module}
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize(
    "module", ["cache_client", "cache_client.rpc.client", "cache_client.prefetch.prefetch_client"]
)
def test_the_library_loads_grpc_and_protobuf_only(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    packages = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert {"cache_client", "grpc", "google"} <= packages
    # gRPC brings its own siblings where they are installed, and Cython's runtime registers itself.
    other = {name for name in packages if not name.startswith(("grpc", "_", "cython_runtime"))}
    assert other <= {"cache_client", "playthrough", "google", "typing_extensions"}
    ours = {name.split(".")[1] for name in loaded if name.startswith("cache_client.")}
    assert ours == {"prefetch", "rpc"}

"""What a server's metrics say of the calls that have ended: h2load does not see a call's status."""

import re
import socket
import urllib.request
from collections import Counter

_LINE = re.compile(r'playthrough_calls_total\{code="(\w+)",method="(\w+)",model="[^"]*"\} (\S+)')


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def failed(metrics_port: int) -> Counter[str]:
    """Returns how many calls have ended with another status than OK, by method and status."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
        text = answer.read().decode()
    found: Counter[str] = Counter()
    for code, method, calls in _LINE.findall(text):
        if code != "OK":
            found[f"{method} {code}"] += int(float(calls))
    return found

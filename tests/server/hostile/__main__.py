"""Carries out one attack on a server of this machine, and prints what became of it as JSON.

Example: python -m tests.server.hostile rapid-reset --port 50051 --seconds 2
"""

import argparse
import json
import socket
from dataclasses import asdict

from tests.server.hostile.attack import ATTACKS, carry_out
from tests.server.hostile.frames import Call, Calls

_CONNECT_TIMEOUT_S = 5.0


def main() -> None:
    """Reads what to do from the command line, and does it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=ATTACKS)
    parser.add_argument("--port", type=int, required=True, help="of 127.0.0.1: no other machine is attacked")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--small", required=True, help="PATH=MESSAGE of a call, the message in hex")
    parser.add_argument("--big", required=True, help="the same of a call with a long answer")
    parser.add_argument("--again", action="store_true", help="connect anew where the server hangs up")
    options = parser.parse_args()
    calls = Calls(_call(options.small), _call(options.big))

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", options.port), timeout=_CONNECT_TIMEOUT_S)

    fate = carry_out(ATTACKS[options.name], calls, connect, options.seconds, again=options.again)
    print(json.dumps(asdict(fate)))


def _call(text: str) -> Call:
    path, _, message = text.partition("=")
    return Call(path, bytes.fromhex(message))


if __name__ == "__main__":
    main()

"""One of several workers: started by the supervisor, never by hand.

Reads one line of JSON on stdin, its order, and says one line of JSON on stdout: that it is ready, or why it
cannot be. Ends on SIGTERM, and when stdin ends, since then its parent has.
"""

import asyncio
import json
import sys

import uvloop

from data.errors import DataError
from server.app import Place, keep_for_good, working
from server.errors import ServerError
from server.logs import configure_logs
from server.settings import from_json
from server.stop_signals import stop_event


async def work(order: dict[str, str | int]) -> None:
    """Serves until told to end.

    Args:
        order: What the supervisor wrote.
    """
    settings = from_json(str(order["settings"]))
    place = Place(int(order["worker"]), int(order["workers"]))
    configure_logs(settings.log_level, worker=place.worker)
    stopping = stop_event()
    # Nothing more is ever written there: what can be read is its end.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopping.set)
    try:
        async with working(settings, place):
            keep_for_good()
            print(json.dumps({"ready": True}), flush=True)
            await stopping.wait()
    except (ServerError, DataError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)


if __name__ == "__main__":
    uvloop.run(work(json.loads(sys.stdin.readline())))

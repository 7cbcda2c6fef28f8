"""Runs the room's commands: `python -m cache_client`."""

from functools import partial

from cache_client.cli import app
from data import terminal

if __name__ == "__main__":
    terminal.run(partial(app, prog_name="python -m cache_client"))

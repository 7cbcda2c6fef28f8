"""Runs the room's commands: `python -m cache_client`."""

from cache_client.cli import app

if __name__ == "__main__":
    app(prog_name="python -m cache_client")

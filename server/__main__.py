"""Runs the room's commands: `python -m server`."""

from server.cli import app

if __name__ == "__main__":
    app()

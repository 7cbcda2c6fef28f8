"""Runs the room's commands: `python -m server`."""

from data import terminal
from server.cli import app

if __name__ == "__main__":
    terminal.run(app)

"""Runs the data room's command line."""

from functools import partial

from data import terminal
from data.cli import app

if __name__ == "__main__":
    terminal.run(partial(app, prog_name="python -m data"))

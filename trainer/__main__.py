"""Entry point of `python -m trainer`."""

from functools import partial

from data import terminal
from trainer.cli import app

if __name__ == "__main__":
    terminal.run(partial(app, prog_name="python -m trainer"))

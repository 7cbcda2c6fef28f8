"""Runs the data room's command line."""

from data.cli import app

app(prog_name="python -m data")

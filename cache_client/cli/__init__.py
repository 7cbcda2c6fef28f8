"""The client's commands."""

import typer

from cache_client.cli.place import place
from cache_client.cli.rank import rank
from cache_client.cli.recommend import recommend
from cache_client.cli.replay import replay
from cache_client.cli.simulate import simulate

app = typer.Typer(
    help="Asks the prediction server what to pre-cache, and shows what following it buys.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(
    epilog="Example: python -m cache_client rank --favourite-genre jazz --favourite-genre folk --top-k 5"
)(rank)
app.command(epilog="Example: python -m cache_client simulate --data data/sample --models models/registry")(
    simulate
)
app.command(
    epilog="Example: python -m cache_client replay --data data/sample --server 127.0.0.1:50051 --limit 1000"
)(replay)
app.command(
    epilog="Example: python -m cache_client place --data data/sample --budget-per-day 120 --csv placement.csv"
)(place)
app.command(epilog="Example: python -m cache_client recommend --favourite-genre jazz --top-k 10")(recommend)

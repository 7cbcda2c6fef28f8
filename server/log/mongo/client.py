"""The connection to MongoDB: what a URI says, and what delivery needs whatever it says."""

import asyncio
import contextlib
from typing import Any

from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from server.errors import StartError
from server.log.mongo.uri import DEFAULT_DATABASE, without_secrets

Client = AsyncMongoClient[dict[str, Any]]
Database = AsyncDatabase[dict[str, Any]]

# Where the URI does not say otherwise, in milliseconds.
_DEADLINES_MS = {
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 2_000,
    "socketTimeoutMS": 20_000,
    # The embedded database closes connections that were idle for 300 s, firewalls sooner: a write that meets
    # a closed one fails.
    "maxIdleTimeMS": 60_000,
}
# The embedded database answers a query only when it has read the whole collection, and the driver gives up on
# a server that keeps its own look at it waiting for longer than it takes to connect.
_LONG_READS_MS = {"connectTimeoutMS": 900_000, "socketTimeoutMS": 900_000}
# What a URI may say at least: zero, and what the driver cannot read and ignores, would mean to wait for ever,
# and a hung MongoDB would stop delivery for good.
_LEAST_MS = {
    "timeoutMS": 1,
    "socketTimeoutMS": 1,
    "connectTimeoutMS": 1,
    "serverSelectionTimeoutMS": 1,
    "wtimeoutMS": 0,  # the socket's timeout ends that
}
_LIMIT_MS = 1_000_000_000  # the driver ignores a time of so many or more, and would wait for ever
# The driver reports the end of its sessions, to a server that hangs for as long as a socket's timeout.
_CLOSE_TIMEOUT_S = 0.5


def make_client(uri: str, *, long_reads: bool = False) -> Client:
    """Returns a client that is not connected yet; the URI's timeouts hold, and ours where it has none.

    Args:
        uri: A MongoDB URI.
        long_reads: Whether an answer may take minutes, as that of a report about a million documents does.

    Raises:
        StartError: When the URI is malformed, or has a timeout that delivery cannot work with. The message
            does not show it: it may hold a password.
    """
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise StartError("the MongoDB URI is not usable: it has to begin with mongodb:// or mongodb+srv://")
    try:
        said = _options(uri)
        _check_times(said)
        defaults: dict[str, Any] = {
            name: ms
            for name, ms in (_DEADLINES_MS | (_LONG_READS_MS if long_reads else {})).items()
            if name.lower() not in said
        }
        if "timeoutms" in said:  # one deadline for a whole operation: the driver's own rule for the others
            defaults.pop("socketTimeoutMS", None)
        client: Client = AsyncMongoClient(uri, tz_aware=True, **defaults)
    except (PyMongoError, ValueError, OSError) as error:  # OSError: a file of a certificate cannot be read
        raise StartError(f"the MongoDB URI is not usable: {without_secrets(uri, str(error))}") from None
    return client


def database_of(client: Client, uri: str) -> Database:
    """Returns the database that a URI names, as delivery uses it.

    A row leaves the spool on MongoDB's word, so that has to mean "on disk, on most members"; and a secondary
    that lags would make stored predictions look unknown.
    """
    wtimeout = _options(uri).get("wtimeoutms")
    return client.get_default_database(
        default=DEFAULT_DATABASE,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern(w="majority", j=True, wtimeout=wtimeout and int(wtimeout)),
    )


async def close_client(client: Client) -> None:
    """Closes the connections."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            return await client.close()
    await client.close()  # it has forgotten by now the sessions whose end it wanted to report


def _check_times(said: dict[str, Any]) -> None:
    """Raises StartError when one of a URI's times is too short, too long, or no number."""
    for name, least in _LEAST_MS.items():
        value = str(said.get(name.lower(), least))
        if not value.isdecimal() or not least <= int(value) < _LIMIT_MS:
            raise StartError(
                f"the MongoDB URI is not usable: {name} has to be a number of milliseconds, at least {least}"
                f" and below {_LIMIT_MS:,}"
            )


def _options(uri: str) -> dict[str, Any]:
    """Returns the options of a URI by their names in lower case."""
    if uri.startswith("mongodb+srv://"):  # to parse one asks a name server
        pairs = uri.partition("?")[2].split("&")
        return {name.lower(): value for name, _, value in (pair.partition("=") for pair in pairs) if name}
    return {name.lower(): value for name, value in parse_uri(uri, validate=False)["options"].items()}

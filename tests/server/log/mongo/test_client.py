"""What a MongoDB URI may say, and what delivery does whatever it says."""

from pathlib import Path

import pytest
from pymongo import ReadPreference, WriteConcern
from pymongo.read_concern import ReadConcern

from server.errors import StartError
from server.log.mongo.client import Client, make_client
from server.log.mongo.documents import PredictionDocument
from server.log.mongo.store import MongoStore


def timeouts_s(client: Client) -> tuple[float | None, ...]:
    """Returns the times for a connection, an answer, a server to be found, and a whole operation."""
    options = client.options
    pool = options.pool_options
    return pool.connect_timeout, pool.socket_timeout, options.server_selection_timeout, options.timeout


@pytest.mark.parametrize(
    ("options", "expected_s"),
    [
        ("", (2, 20, 2, None)),
        ("?socketTimeoutMS=700&connectTimeoutMS=600", (0.6, 0.7, 2, None)),
        ("?SERVERSELECTIONTIMEOUTMS=500", (2, 20, 0.5, None)),
        ("?timeoutMS=900", (2, None, 2, 0.9)),
    ],
)
@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
async def test_the_times_of_a_uri_hold_and_ours_where_it_has_none(
    scheme: str, options: str, expected_s: tuple[float | None, ...]
) -> None:
    client = make_client(f"{scheme}://db.example.com/log{options}")
    assert timeouts_s(client) == expected_s
    assert client.options.pool_options.max_idle_time_seconds == 60
    await client.close()


@pytest.mark.parametrize(
    "name", ["timeoutMS", "socketTimeoutMS", "connectTimeoutMS", "serverSelectionTimeoutMS"]
)
@pytest.mark.parametrize("value", ["0", "-1", "soon", "", "1000000000", "9" * 30])
@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
def test_a_time_that_would_never_end_or_is_none_is_refused_by_name(
    scheme: str, name: str, value: str
) -> None:
    uri = f"{scheme}://user:secret@db.example.com/log?retryWrites=true&{name.lower()}={value}"
    with pytest.raises(StartError, match=f"not usable: {name} has to be a number of milliseconds") as caught:
        MongoStore(uri)
    assert "secret" not in str(caught.value)


def test_a_refused_time_is_named_whatever_the_user_is_called() -> None:
    with pytest.raises(StartError, match="timeoutMS has to be"):
        MongoStore("mongodb://time:number@db/log?timeoutMS=0")


@pytest.mark.parametrize("option", ["tlsCAFile", "tlsCertificateKeyFile"])
def test_a_certificate_that_cannot_be_read_is_one_clear_error(option: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file"):
        MongoStore(f"mongodb://db/log?tls=true&{option}={tmp_path}/none.pem")


@pytest.mark.parametrize("value", ["soon", "-1", "1000000000"])
def test_a_write_concerns_time_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(StartError, match="wtimeoutMS"):
        MongoStore(f"mongodb://db/log?wtimeoutMS={value}")


@pytest.mark.parametrize(
    ("options", "wtimeout"),
    [
        ("readPreference=secondary&readConcernLevel=local&w=0", None),
        ("readPreference=nearest&maxStalenessSeconds=120&w=1&journal=false", None),
        ("readPreference=secondaryPreferred&readConcernLevel=available&w=1&wtimeoutMS=700", 700),
    ],
)
async def test_delivery_reads_from_the_primary_and_writes_to_most_disks_whatever_a_uri_says(
    mongodb_uri: str, options: str, wtimeout: int | None
) -> None:
    store = MongoStore(f"{mongodb_uri}?{options}")
    await store.connect()
    collection = PredictionDocument.get_pymongo_collection()
    assert collection.read_preference == ReadPreference.PRIMARY
    assert collection.read_concern == ReadConcern("majority")
    assert collection.write_concern == WriteConcern("majority", wtimeout=wtimeout, j=True)
    assert collection.database.name == mongodb_uri.rpartition("/")[2]
    await store.close()

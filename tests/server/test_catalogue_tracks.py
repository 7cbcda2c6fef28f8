import pandas as pd

from data import Catalogue
from server.catalogue_tracks import CatalogueTracks


def test_a_track_has_its_seconds_and_its_storage_and_an_unknown_one_is_none() -> None:
    rows = {"id": ["a", "b"], "duration_ms": [217_413, 1_000], "storage_class": ["FAST", None]}
    table = pd.DataFrame(rows).astype({"storage_class": object})
    table.loc[1, "storage_class"] = None
    tracks = CatalogueTracks(Catalogue(table))
    assert tracks.get("a") == (217.413, "FAST")
    assert tracks.get("b") == (1.0, None)
    assert tracks.get("c") is None

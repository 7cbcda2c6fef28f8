"""Whatever happens to a file's bytes, it is read or refused in one line, and all three ways to read agree."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import DataError, plays, read_dataset
from data.quality import validate
from data.schema import DATASET_FILES

INSERTED = (
    b"null", b"NaN", b"1e999", b"-1", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r\n", b"\\",
    b"\x00", b"\xff", b"\xef\xbb\xbf", b'"\\ud800"', b"true",
)  # fmt: skip
PLACES = st.floats(0, 1, exclude_max=True)
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from([contract.file_name for contract in DATASET_FILES]),
        PLACES,
        st.integers(0, 60),
        st.sampled_from(INSERTED) | st.binary(max_size=4),
    ),
    min_size=1,
    max_size=3,
)
"""File, where in it, how many bytes to take out there, and what to put in."""


@given(mutations=MUTATIONS)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_strict_reading_lenient_reading_and_validation_agree(
    make_folder: Callable[..., Path], mutations: list[tuple[str, float, int, bytes]]
) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(folder) / "dataset"
        clean = make_folder()
        shutil.move(clean, directory)
        for name, place, n_out, inserted in mutations:
            content = (directory / name).read_bytes()
            at = int(place * len(content))
            (directory / name).write_bytes(content[:at] + inserted + content[at + n_out :])
        report = validate(directory)
        json.dumps(report.as_json(), allow_nan=False)
        try:
            read_dataset(directory)
            refused = None
        except DataError as error:
            refused = str(error)
        assert report.ok == (refused is None), refused
        assert refused is None or "\n" not in refused
        try:
            repaired = read_dataset(directory, lenient=True)
        except DataError:
            assert not report.ok  # one of the files has no usable line left
        else:
            assert bool(repaired.repairs) == (not report.ok)
            assert len(plays(repaired)) == (repaired.sessions["event_type"] == "PLAY").sum()

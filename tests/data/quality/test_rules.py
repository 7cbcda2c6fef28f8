"""Every rule finds what is planted for it, where it is planted, and nothing in a clean data set."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from data import DataError, read_dataset
from data.quality import Finding, validate
from data.quality.rules import TABLE_RULES
from data.reading.faults import FILE_RULES, MAX_EXAMPLES, MAX_FIELDS, OTHER_FIELDS, FaultLog, Severity
from tests.paths import DOCS

Records = dict[str, list[Any]]
MakeFolder = Callable[..., Path]
DOCUMENTATION = DOCS / "data.md"


def change(table: str, line: int, **values: Any) -> Callable[[Records], object]:
    """Sets fields of one line's object; the value `...` takes the field out."""

    def plant(records: Records) -> None:
        record = records[table][line - 1]
        record.update(values)
        for name in [name for name, value in values.items() if value is ...]:
            del record[name]

    return plant


def put(table: str, line: int, text: str | bytes) -> Callable[[Records], object]:
    """Replaces a line by a text."""
    return lambda records: records[table].__setitem__(line - 1, text)


def repeat(table: str, line: int, **values: Any) -> Callable[[Records], object]:
    """Appends a copy of a line's object with other values."""
    return lambda records: records[table].append({**records[table][line - 1], **values})


def _track_twice(records: Records) -> None:
    repeat("tracks", 1, id="T3")(records)
    records["track_storage"].append({"track_id": "T3", "storage_class": "SLOW", "daily_cost": 0.003})


def _never_played(event_type: str) -> Callable[[Records], object]:
    return change("sessions", 5, event_type=event_type)


# rule, table, column, count, first line (None: no line), what to plant
PLANTED: list[tuple[str, str, str | None, int, int | None, Callable[[Records], object]]] = [
    ("missing-file", "tracks", None, 1, None, lambda r: r.pop("tracks")),
    ("empty-file", "users", None, 1, None, lambda r: r["users"].clear()),
    ("byte-order-mark", "users", None, 1, 1, put("users", 1, b"\xef\xbb\xbf{}")),
    ("crlf", "artists", None, 1, 2, put("artists", 2, '{"id": "A2", "name": "B", "genres": []}\r')),
    ("blank-line", "sessions", None, 2, 3, lambda r: r["sessions"].__setitem__(slice(2, 2), ["", " \t"])),
    ("line-too-long", "users", None, 1, 2, lambda r: r["users"].insert(1, '"' + "x" * 5_000_000 + '"')),
    ("not-utf8", "users", None, 1, 2, put("users", 2, b'{"name": "\xff"}')),
    ("not-utf8", "users", None, 1, 1, put("users", 1, "{}".encode("utf-16"))),
    ("not-json", "users", None, 1, 2, put("users", 2, '{"user_id": 2, ')),
    ("not-json", "users", None, 1, 2, put("users", 2, "{} {}")),
    ("not-json", "users", None, 1, 1, put("users", 1, "[" * 100_000)),
    ("not-json", "users", None, 1, 1, put("users", 1, '{"user_id": ' + "9" * 5_000 + "}")),
    ("not-an-object", "users", None, 1, 1, put("users", 1, "null")),
    ("not-an-object", "sessions", None, 1, 7, put("sessions", 7, "[1]")),
    ("duplicate-key", "artists", "name", 1, 2, put("artists", 2, '{"id": "A2", "name": "B", "name": "C"}')),
    ("missing-field", "tracks", "tempo", 1, 2, change("tracks", 2, tempo=...)),
    ("null", "sessions", "user_id", 1, 3, change("sessions", 3, user_id=None)),
    ("null", "artists", "genres", 1, 1, change("artists", 1, genres=None)),
    ("wrong-type", "tracks", "popularity", 1, 1, change("tracks", 1, popularity="50")),
    ("wrong-type", "tracks", "popularity", 1, 1, change("tracks", 1, popularity=10**30)),
    ("wrong-type", "users", "favourite_genres", 1, 1, change("users", 1, favourite_genres=["pop", None])),
    ("wrong-type", "users", "name", 1, 1, change("users", 1, name="\ud800")),
    ("wrong-type", "users", "premium_user", 1, 1, change("users", 1, premium_user=1)),
    ("not-finite", "tracks", "energy", 1, 1, change("tracks", 1, energy=float("nan"))),
    ("not-finite", "tracks", "loudness", 1, 2, change("tracks", 2, loudness=float("-inf"))),
    ("not-finite", "tracks", "popularity", 1, 2, change("tracks", 2, popularity=float("inf"))),
    ("sentinel", "artists", "id", 1, 2, change("artists", 2, id=-1)),
    ("sentinel", "artists", "id", 1, 2, change("artists", 2, id="-1")),
    ("sentinel", "sessions", "user_id", 1, 2, change("sessions", 2, user_id=-1)),
    ("bad-time", "sessions", "timestamp", 1, 4, change("sessions", 4, timestamp="2023-13-01T10:00:00")),
    ("bad-time", "sessions", "timestamp", 1, 4, change("sessions", 4, timestamp="2023-01-01")),
    ("empty", "tracks", "id_artist", 1, 1, change("tracks", 1, id_artist="")),
    ("out-of-range", "tracks", "energy", 1, 2, change("tracks", 2, energy=1.01)),
    ("out-of-range", "users", "user_id", 1, 2, change("users", 2, user_id=-2)),
    ("not-allowed", "sessions", "event_type", 1, 2, change("sessions", 2, event_type="PAUSE")),
    ("bad-format", "tracks", "release_date", 1, 1, change("tracks", 1, release_date="2001-13-01")),
    ("duplicate-id", "users", "user_id", 1, 3, repeat("users", 1, name="somebody else")),
    ("stray-field", "users", "id", 1, 2, change("users", 2, id=-1)),
    ("stray-field", "users", "id", 1, 2, change("users", 2, id=None)),
    ("extra-column", "tracks", "mode", 2, 1, lambda r: [track.update(mode=1) for track in r["tracks"]]),
    ("duplicate-artist-name", "artists", "name", 1, 2, change("artists", 2, name="Ann")),
    ("nameless-artist", "artists", "name", 1, 2, change("artists", 2, name="")),
    ("nameless-track", "tracks", "name", 1, 1, change("tracks", 1, name=" ")),
    ("duplicate-track", "tracks", "name", 1, 3, _track_twice),
    ("unknown-artist", "tracks", "id_artist", 1, 2, change("tracks", 2, id_artist="?")),
    ("stored-unknown-track", "track_storage", "track_id", 1, 3, repeat("track_storage", 1, track_id="?")),
    ("track-not-stored", "tracks", "id", 1, 1, lambda r: r["track_storage"].pop(0)),
    ("storage-cost", "track_storage", "daily_cost", 1, 2, change("track_storage", 2, daily_cost=0.07)),
    ("unknown-listener", "sessions", "user_id", 2, 6, lambda r: r["users"].pop()),
    ("unknown-track", "sessions", "track_id", 1, 5, change("sessions", 5, track_id="?")),
    ("no-track", "sessions", "track_id", 1, 5, change("sessions", 5, track_id="")),
    ("no-track", "sessions", "track_id", 1, 4, change("sessions", 4, event_type=None)),
    ("needless-track-id", "sessions", "track_id", 1, 4, change("sessions", 4, track_id="T1")),
    ("two-listeners", "sessions", "session_id", 1, 1, change("sessions", 5, user_id=2)),
    ("time-backwards", "sessions", "timestamp", 1, 7, change("sessions", 7, timestamp="2023-01-01T10:00:04")),
    ("repeated-event", "sessions", None, 1, 8, repeat("sessions", 7)),
    ("skip-without-play", "sessions", "event_type", 1, 5, _never_played("SKIP")),
    ("like-without-play", "sessions", "event_type", 1, 5, _never_played("LIKE")),
    ("skip-after-end", "sessions", "timestamp", 1, 3,
     change("sessions", 3, timestamp="2023-01-01T10:01:00.001")),
]  # fmt: skip


def _found(directory: Path) -> dict[tuple[str, str, str | None], Finding]:
    return {
        (finding.rule, table, finding.column): finding
        for table, report in validate(directory).files.items()
        for finding in report.findings
    }


def test_a_clean_data_set_breaks_no_rule(make_folder: MakeFolder) -> None:
    report = validate(make_folder())
    assert report.ok
    findings = [finding for file in report.files.values() for finding in file.findings]
    assert [finding.rule for finding in findings] == ["empty-track-id"]  # the advertisement's
    assert {name: file.rows for name, file in report.files.items()} == {
        "artists": 2,
        "tracks": 2,
        "users": 2,
        "track_storage": 2,
        "sessions": 7,
    }


@pytest.mark.parametrize(
    ("rule", "table", "column", "count", "line", "plant"), PLANTED, ids=[str(row[:3]) for row in PLANTED]
)
def test_a_planted_fault_is_found_with_its_line(
    make_folder: MakeFolder,
    rule: str,
    table: str,
    column: str | None,
    count: int,
    line: int | None,
    plant: Callable[[Records], object],
) -> None:
    directory = make_folder(plant)
    if rule == "missing-file":
        (directory / f"{table}.jsonl").unlink(missing_ok=True)
    finding = _found(directory)[rule, table, column]
    assert finding.count == count
    assert [example.line for example in finding.examples][:1] == ([] if line is None else [line])
    assert finding.meaning


@pytest.mark.parametrize(
    ("rule", "table", "column", "count", "line", "plant"), PLANTED, ids=[str(row[:3]) for row in PLANTED]
)
def test_strict_reading_refuses_exactly_what_validation_calls_an_error(
    make_folder: MakeFolder,
    rule: str,
    table: str,
    column: str | None,
    count: int,
    line: int | None,
    plant: Callable[[Records], object],
) -> None:
    directory = make_folder(plant)
    if rule == "missing-file":
        (directory / f"{table}.jsonl").unlink(missing_ok=True)
    with nullcontext() if validate(directory).ok else pytest.raises(DataError) as refused:
        read_dataset(directory)
    assert refused is None or "\n" not in str(refused.value)


def test_each_rule_has_a_planted_fault() -> None:
    tested = {row[0] for row in PLANTED} | {"empty-track-id", "unreadable-file"}
    assert tested == FILE_RULES.keys() | TABLE_RULES.keys()


def test_each_rule_is_documented_with_its_severity() -> None:
    page = DOCUMENTATION.read_text(encoding="utf-8")
    for rule in (*FILE_RULES.values(), *TABLE_RULES.values()):
        assert f"| `{rule.name}` | {rule.severity} |" in page


def test_a_folder_in_place_of_a_file_cannot_be_read(make_folder: MakeFolder) -> None:
    directory = make_folder()
    (directory / "users.jsonl").unlink()
    (directory / "users.jsonl").mkdir()
    finding = _found(directory)["unreadable-file", "users", None]
    assert finding.severity is Severity.ERROR
    assert "is a directory" in finding.meaning


def test_a_value_breaks_one_rule_alone(make_folder: MakeFolder) -> None:
    def plant(records: Records) -> None:
        records["sessions"][6]["user_id"] = -1
        records["sessions"][5]["session_id"] = -7
        records["tracks"][0]["id_artist"] = "-1"
        records["sessions"][1]["track_id"] = ""

    errors = {key for key in _found(make_folder(plant)) if key[0] != "empty-track-id"}
    assert errors == {
        ("sentinel", "sessions", "user_id"),
        ("out-of-range", "sessions", "session_id"),
        ("sentinel", "tracks", "id_artist"),
        ("no-track", "sessions", "track_id"),
    }


def test_a_table_without_a_usable_row_breaks_no_rule_over_tables(make_folder: MakeFolder) -> None:
    def plant(records: Records) -> None:
        for table in ("artists", "tracks", "users", "track_storage", "sessions"):
            records[table] = ["{}", "{}"]

    rules = {rule for rule, _, _ in _found(make_folder(plant))}
    assert rules == {"missing-field"}


def test_examples_are_the_first_three_lines_of_a_faults_many(make_folder: MakeFolder) -> None:
    directory = make_folder(lambda r: [event.update(user_id=None) for event in r["sessions"][1:]])
    finding = _found(directory)["null", "sessions", "user_id"]
    assert finding.count == 6
    assert [(e.line, e.value) for e in finding.examples] == [(2, None), (3, None), (4, None)]


def test_fields_that_differ_from_line_to_line_are_counted_and_not_all_kept(make_folder: MakeFolder) -> None:
    def plant(records: Records) -> None:
        records["sessions"] = [{**records["sessions"][0], f"field_{i}": i} for i in range(400)]

    found = {
        column: f for (rule, _, column), f in _found(make_folder(plant)).items() if rule == "stray-field"
    }
    assert len(found) == MAX_FIELDS + 1
    assert found["field_0"].count == 1
    assert found[OTHER_FIELDS].count == 400 - MAX_FIELDS
    assert [example.value for example in found[OTHER_FIELDS].examples] == [50, 51, 52]
    assert "more than 50 such fields" in found[OTHER_FIELDS].meaning


def test_a_file_of_bad_lines_is_counted_and_not_all_kept(tmp_path: Path) -> None:
    log = FaultLog(tmp_path)
    for line in range(1, 10_001):
        log.add("not-json", line, "not JSON")
        log.add("duplicate-key", line, "twice", f"field_{line}")
        log.add("null", line, "null", "user_id")
    assert log.groups["not-json", None].count == 10_000
    assert log.groups["duplicate-key", OTHER_FIELDS].count == 10_000 - MAX_FIELDS
    assert len(log.groups["null", "user_id"].lines) == 10_000  # the rows that lenient reading drops
    kept = sum(len(group.lines) for (rule, _), group in log.groups.items() if rule != "null")
    assert kept == MAX_EXAMPLES + MAX_FIELDS + MAX_EXAMPLES


def test_a_fault_far_down_a_large_file_is_found_in_its_line(make_folder: MakeFolder) -> None:
    def plant(records: Records) -> None:
        events = [{**records["sessions"][5], "session_id": 100 + i} for i in range(20_000)]
        events[12_344]["user_id"] = ["two"]
        events[17_654]["event_type"] = None
        records["sessions"] = events

    found = _found(make_folder(plant))
    assert [e.line for e in found["wrong-type", "sessions", "user_id"].examples] == [12_345]
    assert [e.line for e in found["null", "sessions", "event_type"].examples] == [17_655]
    assert {rule for rule, _, _ in found} == {"wrong-type", "null"}


def test_rules_over_absent_tables_are_not_asked(make_folder: MakeFolder) -> None:
    directory = make_folder()
    (directory / "tracks.jsonl").unlink()
    assert {rule for rule, _, _ in _found(directory)} == {"missing-file", "empty-track-id"}


def test_no_such_folder_is_an_error_not_a_finding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        validate(tmp_path / "nowhere")

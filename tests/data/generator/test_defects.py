"""Defects: `validate` finds each that `--defects` plants, and none in what is generated without them."""

import itertools
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data import DataError, generate
from data.cli import app
from data.generator import DEFECTS, Defect, planting, sessions
from data.quality import Report, validate
from data.quality.rules import TABLE_RULES
from data.reading.faults import FILE_RULES, Severity
from tests.paths import DOCS

NOT_PLANTED = {
    # These concern a whole file, or every line of it …
    "missing-file", "unreadable-file", "empty-file", "byte-order-mark", "extra-column",
    # … this one needs megabytes, and this one finds what every data set has.
    "line-too-long", "empty-track-id",
}  # fmt: skip
SMALL: dict[str, Any] = {"listeners": 30, "tracks": 300, "plays": 1500, "seed": 5}
DOCUMENTATION = DOCS / "data.md"


def _bytes(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _found(report: Report) -> dict[tuple[str, str | None], int]:
    """Returns how often each rule is broken, by rule and column."""
    found = itertools.chain.from_iterable(file.findings for file in report.files.values())
    return {(finding.rule, finding.column): finding.count for finding in found}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Report:
    directory = tmp_path_factory.mktemp("planted") / "dataset"
    generate(directory, **SMALL, defects=True)
    return validate(directory)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_validate_finds_every_defect(defect: Defect, planted: Report) -> None:
    findings = planted.files[defect.file.name].findings
    if defect.rule == "track-not-stored":  # found where it is missed
        findings = planted.files["tracks"].findings
    assert (defect.rule, defect.column) in {(finding.rule, finding.column) for finding in findings}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_alone_breaks_its_rule(
    defect: Defect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the defect that the rule finds, and not what another one brings with it."""
    monkeypatch.setattr(planting, "DEFECTS", (defect,))
    generate(tmp_path / "d", **SMALL, defects=True)
    found = _found(validate(tmp_path / "d"))
    once = defect.rule == "crlf"  # the rule counts the file
    assert found[defect.rule, defect.column] == (1 if once else planting.PLACES)


def test_there_is_a_defect_for_every_rule() -> None:
    assert {defect.rule for defect in DEFECTS} == {*FILE_RULES, *TABLE_RULES} - NOT_PLANTED
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)


@pytest.mark.parametrize("size", [SMALL, {"plays": 100_000}], ids=["small", "large"])
def test_nothing_is_wrong_without_defects(size: dict[str, Any], tmp_path: Path) -> None:
    generate(tmp_path / "d", **size)
    report = validate(tmp_path / "d")
    assert (report.count(Severity.ERROR), report.count(Severity.WARNING)) == (0, 0)
    assert set(_found(report)) == {("empty-track-id", "track_id")}


def test_equal_seeds_plant_equal_defects_and_other_seeds_elsewhere(tmp_path: Path) -> None:
    for name, seed in {"first": 1, "again": 1, "other": 2}.items():
        generate(tmp_path / name, **{**SMALL, "seed": seed}, defects=True)
    assert _bytes(tmp_path / "first") == _bytes(tmp_path / "again")
    places = [
        {
            (finding.rule, finding.column): [example.line for example in finding.examples]
            for file in validate(tmp_path / name).files.values()
            for finding in file.findings
        }
        for name in ("first", "other")
    ]
    assert all(places[0][key] != places[1][key] for key in places[0] if key[0] != "empty-track-id")


def test_only_a_few_lines_differ_from_the_clean_data_set(tmp_path: Path) -> None:
    generate(tmp_path / "clean", **SMALL)
    generate(tmp_path / "planted", **SMALL, defects=True)
    for name, clean in _bytes(tmp_path / "clean").items():
        lines = set((tmp_path / "planted" / name).read_bytes().split(b"\n"))
        n_defects = sum(defect.file.file_name == name for defect in DEFECTS)
        assert 0 < len(set(clean.split(b"\n")) - lines) <= n_defects * planting.PLACES


def test_a_data_set_too_small_for_the_defects_is_refused_and_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few listeners, tracks or plays for the defect '"):
        generate(tmp_path / "d", listeners=2, tracks=5, plays=5, defects=True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("defects", [False, True])
def test_memory_does_not_grow_with_the_plays(
    defects: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "BLOCK_PLAYS", 100)

    def peak_bytes(plays: int) -> int:
        tracemalloc.start()
        try:
            generate(tmp_path / str(plays), listeners=25, tracks=100, plays=plays, defects=defects)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(5_000)  # what is imported and cached on the way stays out of the comparison
    assert peak_bytes(25_000) < 1.1 * peak_bytes(5_000)


def test_the_command_plants_them_and_its_help_names_them(tmp_path: Path) -> None:
    size = [f"--{name}={value}" for name, value in SMALL.items()]
    result = CliRunner().invoke(app, ["generate", "--out", str(tmp_path / "d"), *size, "--defects"])
    assert result.exit_code == 0
    assert f"planted {len(DEFECTS)} defects" in result.stdout
    assert not validate(tmp_path / "d").ok
    shown = CliRunner().invoke(app, ["generate", "--help"], env={"COLUMNS": "5000"}).stdout
    assert [defect.name for defect in DEFECTS if defect.name not in shown] == []


def test_the_documentation_names_them() -> None:
    documentation = DOCUMENTATION.read_text()
    missing = [d.name for d in DEFECTS if f"`{d.name}`" not in documentation]
    assert missing == []

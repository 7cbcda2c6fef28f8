"""`validate` finds each defect that is planted."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from data import generate
from data.quality import Report, validate
from data.quality.rules import TABLE_RULES
from data.reading.faults import FILE_RULES
from tests.data.defects import planted as planting
from tests.data.defects.defects import DEFECTS, Defect
from tests.data.defects.planted import generate_with_defects

NOT_PLANTED = {
    # These concern a whole file, or every line of it …
    "missing-file", "unreadable-file", "empty-file", "byte-order-mark", "extra-column",
    # … this one needs megabytes, and this one finds what every data set has.
    "line-too-long", "empty-track-id",
}  # fmt: skip
SMALL: dict[str, Any] = {"listeners": 30, "tracks": 300, "plays": 1500, "seed": 5}


def _bytes(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _found(report: Report) -> dict[tuple[str, str | None], int]:
    """Returns how often each rule is broken, by rule and column."""
    found = itertools.chain.from_iterable(file.findings for file in report.files.values())
    return {(finding.rule, finding.column): finding.count for finding in found}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Report:
    directory = tmp_path_factory.mktemp("planted") / "dataset"
    generate_with_defects(directory, **SMALL)
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
    generate_with_defects(tmp_path / "d", **SMALL)
    found = _found(validate(tmp_path / "d"))
    once = defect.rule == "crlf"  # the rule counts the file
    assert found[defect.rule, defect.column] == (1 if once else planting.PLACES)


def test_there_is_a_defect_for_every_rule() -> None:
    assert {defect.rule for defect in DEFECTS} == {*FILE_RULES, *TABLE_RULES} - NOT_PLANTED
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)


def test_equal_seeds_plant_equal_defects_and_other_seeds_elsewhere(tmp_path: Path) -> None:
    for name, seed in {"first": 1, "again": 1, "other": 2}.items():
        generate_with_defects(tmp_path / name, **{**SMALL, "seed": seed})
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
    generate_with_defects(tmp_path / "planted", **SMALL)
    for name, clean in _bytes(tmp_path / "clean").items():
        lines = set((tmp_path / "planted" / name).read_bytes().split(b"\n"))
        n_defects = sum(defect.file.file_name == name for defect in DEFECTS)
        assert 0 < len(set(clean.split(b"\n")) - lines) <= n_defects * planting.PLACES

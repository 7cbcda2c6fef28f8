"""The access file: what it may say, and how it is told that it says something else."""

from pathlib import Path

import pytest

from server.access.definition import AccessDefinition, read_access_file
from server.errors import StartError

GOOD = """
open = ["reflection"]

[tokens]
issuer = "https://login.example/"
audience = "playthrough"
keys = "jwks.json"
scope_claim = "scope"

[[callers]]
token = "player"
scopes = ["predict", "rank"]

[[callers]]
certificate = "spiffe://example.com/recorder"
scopes = ["log", "outcome"]
"""


def read(folder: Path, text: str, *, mutual_tls: bool = True) -> AccessDefinition:
    (folder / "access.toml").write_text(text, encoding="utf-8")
    return read_access_file(folder / "access.toml", mutual_tls=mutual_tls)


def test_a_file_says_what_is_open_which_tokens_count_and_who_may_do_what(tmp_path: Path) -> None:
    said = read(tmp_path, GOOD)
    assert said.open_methods == {"ServerReflectionInfo"}
    assert said.tokens is not None
    assert (said.tokens.keys, said.tokens.leeway_s) == ("jwks.json", 10.0)
    assert [(it.token, it.certificate, it.scopes) for it in said.callers] == [
        ("player", None, ["predict", "rank"]),
        (None, "spiffe://example.com/recorder", ["log", "outcome"]),
    ]
    assert read(tmp_path, GOOD.replace('open = ["reflection"]', "")).open_methods == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'open = ["reflection"]',
            'open = ["health"]',
            r"open\.0: Input should be 'list_models' or 'reflection'",
        ),
        ('open = ["reflection"]', "opened = []", "opened: Extra inputs are not permitted"),
        ('audience = "playthrough"', "", r"tokens\.audience: Field required"),
        ('audience = "playthrough"', "audience = 5", r"tokens\.audience: Input should be a valid string"),
        ('audience = "playthrough"', 'audience = ""', r"tokens\.audience: String should have at least 1"),
        (
            'keys = "jwks.json"',
            'keys = "k"\nleeway_s = 3600',
            r"tokens\.leeway_s: .* less than or equal to 60",
        ),
        ('keys = "jwks.json"', 'keys = "k"\nleeway_s = nan', r"tokens\.leeway_s: .* finite"),
        ('["predict", "rank"]', '["predict", "root"]', r"callers\.0\.scopes\.1: Input should be 'predict'"),
        ('token = "player"', "", r"callers\.0: .*either a token or a certificate"),
        ('token = "player"', 'token = "a"\ncertificate = "dns:b"', r"callers\.0: .*either a token or a cert"),
        ("spiffe://example.com/recorder", "recorder.example.com", r"callers\.1\.certificate: "),
        ("spiffe://example.com/recorder", "dns:", r"callers\.1\.certificate: "),
        (
            'certificate = "spiffe://example.com/recorder"',
            'token = "player"',
            "two callers have the same token or certificate",
        ),
        (GOOD[: GOOD.index("[[callers]]")], "", r"callers by token need the table \[tokens\]"),
        (GOOD, "", "nobody may call"),
        (GOOD, "open = [", "access.toml: "),
        (GOOD, "a = " + "[" * 50_000, "access.toml: nested too deeply"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_and_place(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    with pytest.raises(StartError, match=problem) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "access.toml") in str(caught.value)


def test_callers_by_certificate_need_mutual_tls(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="callers by certificate need mutual TLS"):
        read(tmp_path, GOOD, mutual_tls=False)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read the access file .*nowhere\.toml: No such file"):
        read_access_file(tmp_path / "nowhere.toml", mutual_tls=False)

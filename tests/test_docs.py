"""What the README and the pages name exists: files, modules, links, make targets, commands, flags."""

import importlib
import importlib.util
import pkgutil
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.paths import DOCS, ROOT

PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]
ROOMS = ("data", "models", "trainer", "server", "cache_client")
MADE = ("data/sample", "models/registry")  # What the programs write, and git ignores.
PLACEHOLDERS = {"N": "1", "T": "1"}  # A usage line's stand-ins where a flag wants a number.


def spans(text: str) -> list[str]:
    """Code in a page: inline spans, which may break over a line, and each line of a block."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return inline + [line.strip().removeprefix("$ ") for line in lines]


CODE = {page: spans(page.read_text(encoding="utf-8")) for page in PAGES}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return listed.stdout.splitlines()
    return [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if ".venv" not in path.parts]


@each_page
def test_each_file_that_a_page_names_exists(page: Path) -> None:
    files = tracked()
    names = {Path(file).name for file in files}
    tops = {file.partition("/")[0] for file in files}
    for span in CODE[page]:
        for word in re.findall(r"[\w.*<>-]+(?:/[\w.*<>-]+)*/?", span):
            if any(word.startswith(made) for made in MADE) or "<" in word:
                continue
            if "/" in word.rstrip("/") and word.partition("/")[0] in tops:
                assert list(ROOT.glob(word)), f"{word} is not there"
            elif re.fullmatch(r"[a-z_0-9]+\.(py|sh|md|proto)", word):
                assert word in names, f"no file is called {word}"


@each_page
def test_each_module_that_a_page_names_exists(page: Path) -> None:
    for span in CODE[page]:
        for name in re.findall(rf"(?<![\w./])(?:{'|'.join(ROOMS)})(?:\.[A-Za-z_]+)+(?![\w/])", span):
            if not name.endswith((".py", ".jsonl", ".md")):
                pkgutil.resolve_name(name)  # raises where neither a module nor a name in one is called so


@each_page
def test_each_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@each_page
def test_each_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for span in CODE[page]:
        for words in re.findall(r"(?:^|&& )make ((?:[a-z-]+ ?)+)", span):
            assert set(words.split()) <= targets, span


def commands(page: Path) -> list[list[str]]:
    """The words behind `python -m` of each command line in a page."""
    found = []
    for span in CODE[page]:
        for text in re.findall(r"python -m (.+?)(?= &&| \||$)", span):
            first, *rest = shlex.split(re.sub(r"[\[\]]", "", text), comments=True)
            words = [
                PLACEHOLDERS.get(word, word.partition("|")[0]) for word in rest if word not in ("…", "...")
            ]
            found += [[module, *words] for module in first.split("|")]
    return found


@each_page
def test_each_command_that_a_page_shows_can_be_parsed(page: Path) -> None:
    for module, *words in commands(page):
        assert importlib.util.find_spec(module), module
        app = find_app(module)
        if app is None:
            path = ROOT / module.replace(".", "/")
            source = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
            assert all(f'"{word}"' in source for word in words if word.startswith("--")), words
        else:
            parse(typer.main.get_command(app), [module, *words])


def find_app(module: str) -> typer.Typer | None:
    """The typer application that `python -m module` runs, if it is one."""
    where = f"{module}.cli" if module in ROOMS else module
    app = getattr(importlib.import_module(where), "app", None)
    return app if isinstance(app, typer.Typer) else None


def parse(command: Any, words: list[str]) -> None:
    """Parses a command line as running it would, without running it; --help is as far as prose may go."""
    name, *arguments = words
    if "--help" in arguments or (hasattr(command, "commands") and not arguments):
        return
    try:
        with command.make_context(name, list(arguments)) as context:
            if hasattr(command, "commands"):
                chosen, sub, rest = command.resolve_command(
                    context, [*context._protected_args, *context.args]
                )
                parse(sub, [chosen, *rest])
    except Exception as error:
        # Prose may name one flag of a command and leave out what else it wants.
        if type(error).__name__ != "MissingParameter":
            raise AssertionError(f"python -m {' '.join(words)}: {error}") from error


def test_a_command_line_that_is_wrong_is_found() -> None:
    for words in (
        ["data", "generate", "--nowhere"],
        ["server", "--port", "x"],
        ["cache_client", "simulate", "--edgy"],
    ):
        app = find_app(words[0])
        assert app is not None
        with pytest.raises(AssertionError, match=f"python -m {words[-2]}|{words[-1]}"):
            parse(typer.main.get_command(app), words)

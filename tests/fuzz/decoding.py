"""Runs a decoder against what atheris makes of its corpus, or against the corpus alone.

A target is a module of `tests.fuzz.targets` with `seeds`, inputs that our own writers made; `opened`, which
yields what takes an input and raises for a finding; and `MODULES`, whose branches atheris watches. It may
have `mutate`, which changes an input within its format: blind changes of bytes hardly get past a parser.
"""

import ast
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.memory import MOST_S, memory_folder

_HERE = Path(__file__).parent
CORPUS = _HERE / "corpus"
TARGETS = sorted(path.stem for path in (_HERE / "targets").glob("*.py"))
"""The decoders' names."""

_MOST_BYTES = 16_384
_HUNG_S = 60


def load_target(name: str) -> Any:
    """Returns a target's module."""
    return importlib.import_module(f"tests.fuzz.targets.{name}")


def corpus_of(name: str) -> list[Path]:
    """Returns the inputs that are kept of a target."""
    return sorted((CORPUS / name).iterdir())


def write_seeds(name: str) -> None:
    """Writes a target's seeds into its corpus."""
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    for seed, content in load_target(name).seeds().items():
        (CORPUS / name / seed).write_bytes(content)


@contextmanager
def opened(target: Any, **options: Any) -> Iterator[Callable[[bytes], None]]:
    """Yields what takes an input of a target, in a folder of its own."""
    with (
        memory_folder() as folder,
        target.opened(Path(folder), **options) as check,
    ):
        yield check


def fuzz(name: str, inputs: int, seconds: int, seed: int, found: Path) -> int:
    """Gives a target made inputs until one is a finding; returns libFuzzer's status.

    libFuzzer shows what it does, with the memory in use, and writes the input of a finding.

    Args:
        name: The target.
        inputs: How many.
        seconds: For how long at most; 0 for as long as it takes.
        seed: Of the numbers that inputs are made from.
        found: Folder for findings, and for inputs that reach new branches.
    """
    with memory_folder() as folder:
        child = os.fork()  # libFuzzer ends its process without a word to Python
        if child == 0:
            _fuzz(name, inputs, seconds, seed, found, Path(folder))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _fuzz(name: str, inputs: int, seconds: int, seed: int, found: Path, folder: Path) -> None:
    import atheris  # type: ignore[import-untyped]

    stack = ExitStack()
    with atheris.instrument_imports(include=_modules(name)):
        target = load_target(name)
        check = stack.enter_context(target.opened(folder))
    kept = found / "corpus"
    kept.mkdir(parents=True, exist_ok=True)

    def check_in_time(content: bytes) -> None:
        started = time.process_time()
        check(content)
        spent_s = time.process_time() - started
        assert spent_s <= MOST_S, f"took {spent_s:.1f} s of processor time"

    options = {
        "runs": inputs, "max_total_time": seconds, "seed": seed, "max_len": _MOST_BYTES, "timeout": _HUNG_S,
        "artifact_prefix": f"{found}/", "print_final_stats": 1,
    }  # fmt: skip
    flags = [f"-{option}={value}" for option, value in options.items()]
    arguments = [sys.argv[0], *flags, str(kept), str(CORPUS / name)]
    if hasattr(target, "mutate"):

        def mutate(content: bytes, most_bytes: int, number: int) -> bytes:
            random = Random(number)
            changed = target.mutate(content, random) if random.random() < 0.7 else b""
            return changed if 0 < len(changed) <= most_bytes else atheris.Mutate(content, most_bytes)

        atheris.Setup(arguments, check_in_time, custom_mutator=mutate)
    else:
        atheris.Setup(arguments, check_in_time)
    atheris.Fuzz()


def _modules(name: str) -> list[str]:
    """Returns the modules whose branches a target asks to watch, without importing them."""
    source = (_HERE / "targets" / f"{name}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "MODULES":
            return list(ast.literal_eval(node.value))
    raise ValueError(f"{name} names no MODULES")

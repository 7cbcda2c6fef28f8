"""The package loads what it exports only when that is asked for."""

import sys
from subprocess import run

import pytest

import data
from tests.paths import ROOT


def test_importing_the_package_loads_no_library() -> None:
    program = "import sys, data; print(sorted({'pandas', 'numpy'} & set(sys.modules)))"
    done = run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_export_is_there_and_nothing_else() -> None:
    assert {getattr(data, name).__name__ for name in data.__all__} == set(data.__all__)
    with pytest.raises(AttributeError, match="module 'data' has no attribute 'nothing'"):
        getattr(data, "nothing")  # noqa: B009

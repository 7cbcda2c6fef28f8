"""The challenge's folder, and a temporary copy of it that today's Python and NumPy run."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MENDS = {
    # NumPy 2 has no such function, and nothing uses it.
    "simulator/controller.py": ("from numpy.lib.utils import _split_line\n", ""),
    # Python 3.11 takes no NumPy integer for a seed.
    "simulator/user_module.py": ("random.seed(seeds[1])", "random.seed(int(seeds[1]))"),
}
"""What is replaced in the copy, by file: the only changes."""

_PARTS = ("run.py", "simulator", "baseline", "quickstart", "data/short_video_size", "data/user_ret")


class NotTheChallenge(Exception):
    """A folder is not the challenge's repository."""


@contextmanager
def mended_copy(folder: Path, network: str) -> Iterator[Path]:
    """Yields a mended copy of the challenge's folder with one network's traces; the folder stays as it is.

    Raises:
        NotTheChallenge: A file is missing.
    """
    with TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for part in (*_PARTS, f"data/network_traces/{network}"):
            if not (folder / part).exists():
                raise NotTheChallenge(f"{folder}: there is no {part}")
            copy_part = shutil.copytree if (folder / part).is_dir() else shutil.copy2
            (copy / part).parent.mkdir(parents=True, exist_ok=True)
            copy_part(folder / part, copy / part)
        (copy / "logs" / "sample_user").mkdir(parents=True)
        for name, (old, new) in MENDS.items():
            file = copy / name
            file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        yield copy

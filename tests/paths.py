"""Where tests find the project, and the real data sets that lie beside it where there are any."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SHARED_DATA = ROOT.parent / "shared" / "data"
V1, V2 = SHARED_DATA / "v1", SHARED_DATA / "v2"

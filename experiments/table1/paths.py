"""Where things lie."""
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TOOL = ROOT / "build" / "bin" / "uldor"
DOCUMENT = ROOT / "docs" / "table1.md"
NETWORK = HERE / "network.json"

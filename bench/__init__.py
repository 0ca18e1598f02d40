"""Benches: what clipwarden costs, each beside a floor or a peer; they run on the servers that the tests start."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

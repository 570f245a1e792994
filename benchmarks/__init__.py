"""Measurements that the documentation quotes: ``python -m benchmarks COMMAND``."""

import sys
from pathlib import Path

# What is measured of the programs is theirs, not a copy of it.
sys.path.append(str(Path(__file__).parents[1] / "examples"))

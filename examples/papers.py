"""Write docs/reproduction.md: every row of the papers' tables, the command that gives it, what it gave.

    python examples/papers.py

What the papers print is in examples/reproduction/papers/, a file a paper; what came out, in docs/results/*.json.
"""

from __future__ import annotations

from pathlib import Path

from reproduction.papers.care import CARE
from reproduction.papers.lsm import LSM
from reproduction.papers.page import document
from reproduction.papers.spmix import SPMIX
from reproduction.papers.weighting import WEIGHTING
from reproduction.training.atomic_files import write_text

DOCS = Path(__file__).parents[1] / "docs"
PAPERS = (SPMIX, LSM, CARE, WEIGHTING)

if __name__ == "__main__":
    write_text(DOCS / "reproduction.md", document(PAPERS, DOCS / "results"))
    print(f"{DOCS / 'reproduction.md'} is written")

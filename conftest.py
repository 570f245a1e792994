"""What pytest leaves out where a package is missing; what the tests share is in tests/conftest.py."""

from importlib.util import find_spec

HAS_TRITON = find_spec("triton") is not None
# Doctests import every file of the package; the kernels' import Triton, which comes with torch on Linux only.
collect_ignore_glob = [] if HAS_TRITON else ["src/longtail_mix/*/_*_triton.py"]


def pytest_report_header() -> str | None:
    """Say why."""
    return None if HAS_TRITON else "kernel files not collected: Triton is not installed (it comes with torch on Linux)"

"""OpenCV's saliency module, the judge of the detectors it has."""

import pytest


@pytest.fixture(scope="session")
def opencv():
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install 'longtail-mix[opencv]'")
    if not hasattr(cv2, "saliency"):
        pytest.skip("cv2.saliency is missing: another OpenCV wheel hides the contrib one")
    return cv2

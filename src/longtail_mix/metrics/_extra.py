"""torchmetrics is an extra: where it is missing, the error names it."""

from longtail_mix._checks import needs_extra

needs_extra("torchmetrics", "examples")

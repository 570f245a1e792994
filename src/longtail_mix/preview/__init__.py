"""One page about your own images: what is in the set, what each detector finds, what each mix makes of them.

``longtail-mix preview DATA`` or ``python -m longtail_mix preview DATA`` writes it; :func:`write_preview` does the same.
"""

from longtail_mix.preview.write import write_preview

__all__ = ["write_preview"]

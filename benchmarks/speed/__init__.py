"""How fast everything is, beside its peers and a plain copy: ``python -m benchmarks list``, ``run``, ``compare``."""

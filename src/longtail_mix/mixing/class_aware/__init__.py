"""Mixes that know how frequent the classes are."""

from longtail_mix.mixing.class_aware.cmo import CMO
from longtail_mix.mixing.class_aware.remix import Remix, remix

__all__ = ["CMO", "Remix", "remix"]

"""Data: folders and tables of images, ISIC 2018, made-up images, splits by lesion, long-tailed profiles."""

from longtail_mix.class_groups import ClassGroups, many_medium_few, many_medium_few_by_count
from longtail_mix.data.groups import group_folds, group_split
from longtail_mix.data.image_cache import center_crop_square, load_images, load_masks, squash
from longtail_mix.data.image_table import (
    IMAGE_SUFFIXES,
    ImageTable,
    groups_on_several_sides,
    read_folder,
    read_table,
)
from longtail_mix.data.isic2017 import Isic2017, read_isic2017
from longtail_mix.data.isic2018 import CLASSES, Isic2018, isic2018_masks, read_isic2018, read_isic2018_test
from longtail_mix.data.splits import (
    Split,
    balanced_split,
    long_tail_counts,
    long_tail_subset,
    stratified_split,
)
from longtail_mix.data.synthetic import LESION_TYPES, SyntheticDermoscopy, synthetic_dermoscopy
from longtail_mix.data.synthetic_films import FILM_FINDINGS, SyntheticFilms, synthetic_films

__all__ = [
    "CLASSES",
    "FILM_FINDINGS",
    "IMAGE_SUFFIXES",
    "LESION_TYPES",
    "ClassGroups",
    "ImageTable",
    "Isic2017",
    "Isic2018",
    "Split",
    "SyntheticDermoscopy",
    "SyntheticFilms",
    "balanced_split",
    "center_crop_square",
    "group_folds",
    "group_split",
    "groups_on_several_sides",
    "isic2018_masks",
    "load_images",
    "load_masks",
    "long_tail_counts",
    "long_tail_subset",
    "many_medium_few",
    "many_medium_few_by_count",
    "read_folder",
    "read_isic2017",
    "read_isic2018",
    "read_isic2018_test",
    "read_table",
    "squash",
    "stratified_split",
    "synthetic_dermoscopy",
    "synthetic_films",
]

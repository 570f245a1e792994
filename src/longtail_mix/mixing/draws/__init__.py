"""What mixes draw: shares of images and boxes in them."""

from longtail_mix.mixing.draws.boxes import boxes_around, random_boxes
from longtail_mix.mixing.draws.draw_lam import draw_lam

__all__ = ["boxes_around", "draw_lam", "random_boxes"]

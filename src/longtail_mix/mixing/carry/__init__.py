"""What belongs to images, carried along when they are mixed: masks, boxes, points."""

from longtail_mix.mixing.carry.boxes import CarriedBoxes, carry_boxes
from longtail_mix.mixing.carry.masks import carry_masks
from longtail_mix.mixing.carry.points import CarriedPoints, carry_points

__all__ = ["CarriedBoxes", "CarriedPoints", "carry_boxes", "carry_masks", "carry_points"]

"""CLIP: an image tower and a text tower whose features can be compared; open_clip's models and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn

from reproduction.networks.network import Normalise

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of OpenAI's weights
VISION: dict[str, Any] = {"layers": (1, 1, 1, 1), "width": 8, "patch_size": None}  # of the small one
TEXT: dict[str, Any] = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


@dataclass(frozen=True)
class CLIP:
    """Which one.

    Args:
        name: of open_clip, as RN50; or "small": a ResNet and a transformer of 1.1 million weights, for two CPU cores.
        weights: open_clip's tag of them, as openai (downloaded), a file with them, or "none": new ones.
    """

    name: str = "RN50"
    weights: str = "openai"

    def check(self, size: int) -> None:
        """Raise for a package that is missing, a model or weights that there are none of, or images of another size.

        Raises:
            ModuleNotFoundError: open_clip is not installed; the message says how it is.
            ValueError: the rest.
        """
        if find_spec("open_clip") is None:
            raise ModuleNotFoundError(
                "CLIP: expected the package open_clip_torch, which comes with pip install 'longtail-mix[clip]'"
            )
        import open_clip

        if self.name == "small":
            known, own = self.weights == "none" and size % 32 == 0, "weights none and a multiple of 32"
        else:
            config = open_clip.get_model_config(self.name)
            if config is None:
                near = ", ".join(open_clip.list_models()[:3])
                raise ValueError(f"clip.name: expected small or one of open_clip's, as {near}; got {self.name!r}")
            known, own = size == config["vision_cfg"]["image_size"], str(config["vision_cfg"]["image_size"])
        if not known:
            raise ValueError(f"views.size: expected {own} for {self.name}, got {size} and weights {self.weights!r}")

    def build(self, size: int, prompts: Sequence[str]) -> Towers:
        """Both towers, and the prompts as tokens."""
        import open_clip

        if self.name == "small":
            model: Any = open_clip.CLIP(16, {**VISION, "image_size": size}, TEXT)
            tokens = open_clip.get_tokenizer("RN50")(list(prompts))
        else:
            weights = None if self.weights == "none" else self.weights
            model = open_clip.create_model(self.name, pretrained=weights)
            tokens = open_clip.get_tokenizer(self.name)(list(prompts))
        return Towers(model, tokens)


class Towers(nn.Module):
    """Images and texts as points of one space."""

    tokens: Tensor

    def __init__(self, model: nn.Module, tokens: Tensor) -> None:
        super().__init__()
        self.model: Any = model
        self.model.logit_scale.requires_grad_(False)  # the similarities have a scale of their own
        self.normalise = Normalise(MEAN, STD)
        self.register_buffer("tokens", tokens, persistent=False)

    def images(self, images: Tensor) -> Tensor:
        """Features [B, D] of images [B, 3, S, S] in [0, 1]."""
        features: Tensor = self.model.encode_image(self.normalise(images))
        return features.float()

    def texts(self) -> Tensor:
        """Features [K, D] of the prompts."""
        features: Tensor = self.model.encode_text(self.tokens)
        return features.float()

    @property
    def width(self) -> int:
        """D."""
        return int(self.model.text_projection.shape[1])

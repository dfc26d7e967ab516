"""A picture of any size to the encoder's input, by the image rules of any bundle: the server's geometry in Pillow."""

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from clip_in_training.common.errors import ExportError

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
MODES = ("shortest", "squash", "longest")


class Geometry:
    """Pictures to uint8 [height, width, 3]. `rules` is the manifest's `image`.

    Raises `ExportError` if the rules are none that the server knows.
    """

    def __init__(self, rules: dict[str, Any]):
        self.height, self.width = (int(side) for side in rules["size"])
        self.mode, name = rules["resize_mode"], rules["interpolation"]
        if self.mode not in MODES or name not in FILTERS:
            raise ExportError(f"bundle.json: image rules {self.mode!r}, {name!r} are not known here")
        self.filter = FILTERS[name]
        self.rounds_down = rules.get("crop_rounding", "half_even") == "down"
        self.fill = int(rules.get("fill_color", 0))
        self.by_exif = bool(rules.get("exif_orientation", False))

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Colour modes become RGB before the resize."""
        if self.by_exif:
            image = ImageOps.exif_transpose(image)
        scaled = image.convert("RGB").resize(self._scaled(*image.size), self.filter)
        left, across = self._centre(scaled.width, self.width)
        top, down = self._centre(scaled.height, self.height)
        if (across, down) == (0, 0):
            box = (left, top, left + self.width, top + self.height)
            return np.asarray(scaled.crop(box))
        canvas = Image.new("RGB", (self.width, self.height), (self.fill,) * 3)
        kept = (left, top, min(left + self.width, scaled.width), min(top + self.height, scaled.height))
        canvas.paste(scaled.crop(kept), (across, down))
        return np.asarray(canvas)

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the whole picture after scaling."""
        if self.mode == "squash":
            return self.width, self.height
        if self.mode == "shortest" and self.width == self.height:
            # torchvision's `Resize`: the long side is rounded down.
            if width <= height:
                return self.width, self.width * height // width
            return self.width * width // height, self.width
        choose = min if self.mode == "shortest" else max
        ratio = choose(width / self.width, height / self.height)
        return max(1, round(width / ratio)), max(1, round(height / ratio))

    def _centre(self, length: int, output: int) -> tuple[int, int]:
        """Of one axis: the first pixel that is kept, and the pixels of padding before it."""
        if length < output:
            return 0, (output - length) // 2
        half, odd = divmod(length - output, 2)
        return half + (0 if self.rounds_down else odd & half & 1), 0

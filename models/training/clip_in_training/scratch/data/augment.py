"""Small changes of an image that leave its captions true."""

import numpy as np
from PIL import Image

from clip_in_training.common.robustness import exposed
from clip_in_training.scratch.recipe import AugmentRecipe


def augment(
    pixels: np.ndarray, recipe: AugmentRecipe, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Shifts each image by a few pixels (edges repeated) and varies its brightness and contrast.

    Input and output are uint8 [batch, size, size, 3]. The second output is int64 [batch, 2]: how far the content of
    each image moved down and to the right, in pixels. Because of the shifts the towers learn to read a thing at any
    place of a stride. Nothing is flipped and no hue is changed, since captions mention left, right and colours.
    Then some are blurred, made noisier, exposed differently or compressed, as `recipe.robustness` says.
    """
    batch, size = pixels.shape[:2]
    shifted = np.empty_like(pixels)
    offsets = random.integers(-recipe.shift, recipe.shift + 1, size=(batch, 2))
    gains = 1 + random.uniform(-recipe.contrast, recipe.contrast, size=batch)
    biases = 127.5 * (1 - gains) + 255 * random.uniform(-recipe.brightness, recipe.brightness, size=batch) / 2
    levels = np.arange(256)
    place = np.arange(size)
    for index, ((down, right), gain, bias) in enumerate(zip(offsets, gains, biases, strict=True)):
        rows = np.clip(place + down, 0, size - 1)
        columns = np.clip(place + right, 0, size - 1)
        curve = np.clip(levels * gain + bias, 0, 255).astype(np.uint8)
        shifted[index] = curve[pixels[index][rows][:, columns]]
        if recipe.robustness.share > 0:
            shifted[index] = exposed(Image.fromarray(shifted[index]), recipe.robustness, random)
    return shifted, -offsets

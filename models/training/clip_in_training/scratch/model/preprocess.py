"""Converts a decoded image to the encoder's input: the reference that the server's Rust code must reproduce."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize


def preprocessing(size: int):
    """Returns a function from a PIL image to uint8 [size, size, 3].

    The image is converted to RGB (alpha is dropped, as in Pillow). Then its short side is resized to `size` with
    Pillow's antialiased bicubic filter; the long side is rounded down as in torchvision. Then the centre is
    cropped.
    """
    geometry = Compose([Resize(size, interpolation=InterpolationMode.BICUBIC), CenterCrop(size)])

    def preprocess(image: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(geometry(image.convert("RGB")), dtype=np.uint8))

    return preprocess

"""An image as decoded to the encoder's input: the reference that the server's Rust code must reproduce."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize


def preprocessing(size: int):
    """A function from a PIL image to uint8 [size, size, 3].

    Colour modes become RGB first (alpha is dropped, as Pillow does), then the short side is resized to `size`
    with Pillow's antialiased bicubic filter, the long side rounded down as torchvision does, then the centre
    is cut out.
    """
    geometry = Compose([Resize(size, interpolation=InterpolationMode.BICUBIC), CenterCrop(size)])

    def preprocess(image: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(geometry(image.convert("RGB")), dtype=np.uint8))

    return preprocess

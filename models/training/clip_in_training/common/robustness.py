"""Changes of a picture that leave its captions true: what a camera, a file format and a hand in the way do to it.

They serve drawn and composed scenes. Nothing is flipped and no hue is changed, since captions mention left, right and
colours; nothing is put over what an edit changed, and nothing of it leaves the picture.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Box = Sequence[float]
"""Left, top, right, bottom in units of the picture's side."""


@dataclass(frozen=True)
class RobustnessRecipe:
    """How far each change goes. Each is drawn evenly from none to the limit, in a share of the pictures."""

    share: float = 0.5
    """Share of the pictures that each of the changes is made to."""
    blur: float = 1.5
    """Largest standard deviation of a Gaussian blur, in pixels."""
    noise: float = 16.0
    """Largest standard deviation of independent noise on each colour of each pixel, of 255."""
    jpeg: int = 35
    """Lowest JPEG quality; the highest is 95."""
    gamma: float = 1.5
    """Largest exponent; the smallest is its reciprocal."""
    rotation: float = 10.0
    """Largest rotation in degrees, both ways."""
    zoom: float = 0.15
    """Largest relative change of size, both ways."""
    occluder: float = 0.06
    """Largest area of a thing in the way, as a share of the picture."""
    covered: float = 0.35
    """Largest share of a thing that does not change which may be hidden."""


def vary(
    pixels: np.ndarray,
    recipe: RobustnessRecipe,
    rng: np.random.Generator,
    keep: Sequence[Sequence[Box]],
    others: Sequence[Sequence[Box]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Varies each picture by itself.

    `pixels` uint8 [batch, size, size, 3]. `keep` has for each picture the boxes of what must stay in sight (what the
    edit changes, codes that captions spell), `others` those of which a part may be hidden. The second result is
    float64 [batch, 2, 3]: where a point (x, y, 1) in units of the side has gone to.
    """
    varied = np.empty_like(pixels)
    matrices = np.tile(np.eye(2, 3), (len(pixels), 1, 1))
    for index, picture in enumerate(pixels):
        mine = keep[index]
        rest = others[index] if others is not None else ()
        image = Image.fromarray(picture)
        if rng.random() < recipe.share:
            image, matrices[index] = turned(image, recipe, rng, mine)
        if rng.random() < recipe.share:
            moved = [[moved_box(matrices[index], box) for box in boxes] for boxes in (mine, rest)]
            image = occluded(image, recipe, rng, *moved)
        varied[index] = exposed(image, recipe, rng)
    return varied, matrices


def turned(
    image: Image.Image, recipe: RobustnessRecipe, rng: np.random.Generator, keep: Sequence[Box]
) -> tuple[Image.Image, np.ndarray]:
    """Rotates and zooms around the middle; the border is repeated.

    Less far if a box to keep would leave the picture.
    """
    degrees, zoom = rng.uniform(-recipe.rotation, recipe.rotation), rng.uniform(-recipe.zoom, recipe.zoom)
    for _ in range(4):
        matrix = _around_middle(degrees, 1 + zoom)
        if all(_inside(moved_box(matrix, box), box) for box in keep):
            break
        degrees, zoom = degrees / 2, min(zoom / 2, 0.0)
    else:
        return image, np.eye(2, 3)
    size = image.width
    margin = math.ceil(size * 0.3)
    padded = Image.fromarray(np.pad(np.asarray(image), ((margin,) * 2, (margin,) * 2, (0, 0)), mode="edge"))
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    back[:, 2] = back[:, 2] * size + margin
    result = padded.transform(
        (size, size), Image.Transform.AFFINE, back.ravel().tolist(), Image.Resampling.BICUBIC
    )
    return result, matrix


def _around_middle(degrees: float, scale: float) -> np.ndarray:
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return np.array([[c, -s, 0.5 - 0.5 * c + 0.5 * s], [s, c, 0.5 - 0.5 * s - 0.5 * c]])


def moved_box(matrix: np.ndarray, box: Box) -> tuple[float, float, float, float]:
    """The box around a box that has been moved by a matrix of `vary`."""
    left, top, right, bottom = box
    corners = matrix @ np.array([[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]])
    (x0, y0), (x1, y1) = corners.min(1), corners.max(1)
    return float(x0), float(y0), float(x1), float(y1)


def _inside(moved: Box, box: Box) -> bool:
    """Whether nearly nothing of a box that was in the picture leaves it. The corners of a box are seldom filled."""
    room = 0.04
    return all(m >= min(0.0, b) - room for m, b in zip(moved[:2], box[:2], strict=True)) and all(
        m <= max(1.0, b) + room for m, b in zip(moved[2:], box[2:], strict=True)
    )


def occluded(
    image: Image.Image,
    recipe: RobustnessRecipe,
    rng: np.random.Generator,
    keep: Sequence[Box],
    others: Sequence[Box] = (),
) -> Image.Image:
    """Puts a bar, a disc or a rag of one colour into the picture, where it hides nothing of `keep`.

    Without a free place the picture stays as it is.
    """
    if recipe.occluder <= 0:
        return image
    size = image.width
    for _ in range(12):
        area = rng.uniform(0.3, 1.0) * recipe.occluder
        long = math.sqrt(area) * rng.uniform(1.0, 1.8)
        width, height = (long, area / long) if rng.random() < 0.5 else (area / long, long)
        x, y = rng.uniform(-width / 3, 1 - width * 2 / 3), rng.uniform(-height / 3, 1 - height * 2 / 3)
        cover = (x, y, x + width, y + height)
        if any(_shared(cover, box) > 0 for box in keep):
            continue
        if any(_shared(cover, box) > recipe.covered * _area(box) for box in others):
            continue
        result = image.copy()
        draw = ImageDraw.Draw(result)
        colour = tuple(int(c) for c in rng.integers(20, 236, 3))
        corners = [value * size for value in cover]
        shape = rng.integers(3)
        if shape == 0:
            draw.rectangle(corners, fill=colour)
        elif shape == 1:
            draw.ellipse(corners, fill=colour)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
            across, down = (corners[2] - corners[0]) / 2, (corners[3] - corners[1]) / 2
            points = [
                (corners[0] + across * (1 + math.cos(a)), corners[1] + down * (1 + math.sin(a)))
                for a in angles
            ]
            draw.polygon(points, fill=colour)
        return result
    return image


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _shared(first: Box, second: Box) -> float:
    """Area that two boxes have in common."""
    return _area(
        (
            max(first[0], second[0]),
            max(first[1], second[1]),
            min(first[2], second[2]),
            min(first[3], second[3]),
        )
    )


def exposed(image: Image.Image, recipe: RobustnessRecipe, rng: np.random.Generator) -> np.ndarray:
    """Blur, exposure, noise and compression, in the order in which a camera adds them; uint8 [size, size, 3]."""
    if rng.random() < recipe.share:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, recipe.blur)))
    pixels = np.asarray(image)
    if rng.random() < recipe.share:
        limit = math.log(recipe.gamma)
        curve = (np.arange(256) / 255) ** math.exp(rng.uniform(-limit, limit)) * 255
        pixels = np.round(curve).astype(np.uint8)[pixels]
    if rng.random() < recipe.share:
        noise = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(0, recipe.noise))
        pixels = np.clip(pixels + noise + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < recipe.share:
        file = io.BytesIO()
        subsampling = int(rng.choice([0, 2]))
        quality = int(rng.integers(recipe.jpeg, 96))
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
        pixels = np.asarray(Image.open(file))
    return pixels

"""Common corruptions (Hendrycks and Dietterich 2019, arXiv 1903.12261), as the library `imagecorruptions` makes them.

The library wants at least 32 x 32 pixels in colour. So an image is rounded to bytes, framed by 2 black pixels, tripled
to RGB and corrupted; of the result, one colour is kept and the frame cut off. The colours differ in `gaussian_noise`,
`impulse_noise` and `shot_noise` alone. To keep one leaves the noise as strong as the library states it, and fits the
paper: its undefended network keeps .84 and .41 under `gaussian_noise` of severity 2 and 5; three networks `v2` keep .84
and .40 on average with one colour, but .86 and .48 with the luma of the three, which averages the noise.
"""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from localnoise.errors import MissingDependencyError
from localnoise.sims.perturbations.draws import Words, generator_kept
from localnoise.sims.perturbations.modification import IMAGE, Modification
from localnoise.sims.perturbations.registry import MODIFICATIONS

Bytes = npt.NDArray[np.uint8]
_FRAME = 2
_IN_GREY = ("brightness", "contrast", "defocus_blur")  # take grey as well: the same bytes, up to 27 times faster
_AS_PICTURE = ("jpeg_compression", "pixelate")  # the library's functions that take no array
_OWN_GENERATOR = ("impulse_noise",)  # takes a seed; the others draw from NumPy's global generator


def corrupt(images: Tensor, level: float, words: Words, *, name: str) -> Tensor:
    """Corrupt each image at severity `level`, 1..5; image i by a random stream that its word seeds.

    NumPy's global generator, from which the library draws, is seeded for each image and put back at the end.

    Raises
    ------
    MissingDependencyError
        The library is not installed, or cannot be loaded.
    """
    from PIL import Image  # comes with the library

    function = library().corruption_dict[name]
    grey = (images.detach()[:, 0] * 255).round().to("cpu", torch.uint8).numpy()
    framed = np.pad(grey, ((0, 0), (_FRAME, _FRAME), (_FRAME, _FRAME)))
    inputs = framed if name in _IN_GREY else np.repeat(framed[..., None], 3, axis=-1)
    outputs = np.empty_like(inputs)
    with generator_kept():
        for i, seed in enumerate(words[:, 0]):
            options = {"seed": int(seed)} if name in _OWN_GENERATOR else {}
            np.random.seed(seed.reshape(1).view(np.uint32))  # noqa: NPY002
            image = Image.fromarray(inputs[i]) if name in _AS_PICTURE else inputs[i]
            outputs[i] = function(image, int(level), **options)  # truncated to bytes, as by the library
    one_colour = outputs if outputs.ndim == 3 else outputs[..., 0]
    cropped = one_colour[:, _FRAME:-_FRAME, _FRAME:-_FRAME]
    return torch.from_numpy(np.divide(cropped, 255, dtype=np.float32)[:, None]).to(images)


def library() -> Any:
    """Return the module `imagecorruptions`.

    Raises
    ------
    MissingDependencyError
        It is not installed, or cannot be loaded; the message says what to do.
    """
    try:
        return importlib.import_module("imagecorruptions")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "imagecorruptions":
            reason = "is not installed: pip install 'localnoise[robustness]'"
        else:
            reason = (
                f"cannot be loaded ({error}): pip install 'localnoise[robustness]' completes it; where a library of "
                "the system is missing, apt-get install libgl1 libglib2.0-0 brings what OpenCV needs on Debian"
            )
        raise MissingDependencyError(f"imagecorruptions, which makes the common corruptions, {reason}") from error


def _listed(name: str, description: str) -> Modification:
    function: Callable[[Tensor, float, Words], Tensor] = partial(corrupt, name=name)
    return Modification(
        name=name,
        function=function,
        words=1,
        shape=IMAGE,
        level=5.0,
        lowest=1.0,
        highest=5.0,
        whole=True,
        unit="severity",
        description=description,
    )


CORRUPTIONS = (
    _listed("brightness", "Every pixel raised by 0.1 to 0.5 of the range, and clipped."),
    _listed("contrast", "Differences from the image's mean shrunk to 0.4 to 0.05 of themselves."),
    _listed("gaussian_noise", "Normal noise on every pixel."),
    _listed("impulse_noise", "Pixels set to black or white at random."),
    _listed("motion_blur", "Blurred along a direction uniform in ±45 degrees."),
    _listed("snow", "Whitened, with flakes that fall in one direction."),
    _listed("fog", "Covered by a fractal cloud."),
    _listed("jpeg_compression", "Compressed as JPEG at quality 25 to 7."),
    _listed("pixelate", "Shrunk to 0.6 to 0.25 of its side and enlarged again."),
    _listed("shot_noise", "Poisson noise: each pixel a count of 60 to 3 photons at white."),
    _listed("defocus_blur", "Blurred by a disk of radius 3 to 10 pixels."),
    _listed("zoom_blur", "Averaged over enlargements by up to 1.1 to 1.3."),
)
for one in CORRUPTIONS:
    MODIFICATIONS.register(one.name)(one)

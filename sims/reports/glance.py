"""A repair at a glance: inputs, what they do to a layer, what its units make of it, and where they are surprised."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from localnoise.repair import Repair
from localnoise.sims.reports.figures import DOUBLE, drawn
from localnoise.sims.reports.table import words

Floats = npt.NDArray[np.floating[Any]]
_HEADS = ("input", "displaced", "activation", "displaced", "repaired", "surprise")
_HIGH = 4.0  # mean squared innovation at which the map of surprise is saturated; 1 is expected


def surprise(repair: Repair, h: Floats) -> Floats:
    """Return each unit's mean squared innovation under the law of clean activations, (T, H, W); 1 is expected."""
    calm = next(member for member in repair.members if member.source == "clean")
    return np.asarray(np.square(calm.law.innovations(h - calm.centre)).mean(axis=1))


def figure(path: Path, front: Any, repair: Repair, clean: Tensor, displaced: Mapping[str, Tensor]) -> None:
    """Draw one row for each source: an image (1, H, W) and a layer's most lively channel, before and after.

    Parameters
    ----------
    path : Path
        Its name; PNG, PDF and SVG are written.
    front : callable
        Images (T, 1, H, W) to the layer's activations (T, C, H, W).
    repair : Repair
        Of that layer, gated.
    clean : Tensor (1, 1, H, W)
    displaced : dict of str to Tensor
        The same image under each source.
    """
    h = np.asarray(front(clean))
    channel = int(h[0].var(axis=(1, 2)).argmax())
    limit = float(abs(h[0, channel]).max())
    with drawn(path, (DOUBLE, 1.02 * len(displaced) + 0.25)) as page:
        axes = page.subplots(len(displaced), len(_HEADS), squeeze=False)
        for row, (name, image) in zip(axes, displaced.items(), strict=True):
            moved = np.asarray(front(image))
            fixed, posterior = repair(moved)
            source = repair.sources[int(posterior[0].argmax())]
            maps = (h[0, channel], moved[0, channel], fixed[0, channel])
            for axis, shown in zip(row[:2], (clean[0, 0], image[0, 0]), strict=True):
                axis.imshow(shown, cmap="gray", vmin=0, vmax=1)
            for axis, shown in zip(row[2:5], maps, strict=True):
                drawn_map = axis.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit)
            seen = row[5].imshow(surprise(repair, moved)[0], cmap="magma", vmin=0, vmax=_HIGH)
            row[0].set_ylabel(words(name))
            row[4].set_xlabel(f"gate: {words(source)}", labelpad=2)
        for axis in axes.flat:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.grid(visible=False)
            for spine in axis.spines.values():
                spine.set_visible(False)
        for axis, head in zip(axes[0], _HEADS, strict=True):
            axis.set_title(head)
        page.colorbar(drawn_map, ax=axes[:, 2:5], location="bottom", shrink=0.5, aspect=40, label="activation")
        page.colorbar(seen, ax=axes[:, 5], location="bottom", aspect=13, label="squared innovation", extend="max")

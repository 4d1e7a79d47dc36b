"""Ways in which images change, and the displacements that they cause.

Modifications: the paper's ten, six held out, and the project's own; seeded image by image. Displacements d of a layer's
activation h, three kinds: what a field learns from. None of them reads a label. `jitter`, `paired` and `temporal` take
the layers up to the noise and images, and return (d, h): what moved, and the activation that it moved from, each
(T, C, H, W). `between` serves every other cause, an attack among them.
"""

# Modifications are listed in the order in which they are imported.
# isort: off
from localnoise.sims.perturbations.registry import HELD_OUT as HELD_OUT
from localnoise.sims.perturbations.registry import MODIFICATIONS as MODIFICATIONS
from localnoise.sims.perturbations.registry import PAPER as PAPER
from localnoise.sims.perturbations import rotate as _rotate  # noqa: F401
from localnoise.sims.perturbations import obstruction as _obstruction  # noqa: F401
from localnoise.sims.perturbations import line_blur as _line_blur  # noqa: F401
from localnoise.sims.perturbations import brighten as _brighten  # noqa: F401
from localnoise.sims.perturbations import input_noise as _input_noise  # noqa: F401
from localnoise.sims.perturbations import elastic as _elastic  # noqa: F401
from localnoise.sims.perturbations import perspective as _perspective  # noqa: F401
from localnoise.sims.perturbations import corruptions as _corruptions  # noqa: F401
# isort: on

from localnoise.sims.perturbations.applied import apply as apply
from localnoise.sims.perturbations.applied import causes as causes
from localnoise.sims.perturbations.displacements import between as between
from localnoise.sims.perturbations.displacements import jitter as jitter
from localnoise.sims.perturbations.displacements import paired as paired
from localnoise.sims.perturbations.displacements import temporal as temporal
from localnoise.sims.perturbations.drift import drift as drift
from localnoise.sims.perturbations.modification import Modification as Modification
from localnoise.sims.perturbations.sheet import figure as figure

__all__ = [
    "HELD_OUT",
    "MODIFICATIONS",
    "PAPER",
    "Modification",
    "apply",
    "between",
    "causes",
    "drift",
    "figure",
    "jitter",
    "paired",
    "temporal",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)

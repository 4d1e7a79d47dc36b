"""Fashion-MNIST: an embedded subset, the full set, a hold-out, a table and a contact sheet."""

from localnoise.sims.data.dataset import CLASS_NAMES as CLASS_NAMES
from localnoise.sims.data.dataset import Dataset as Dataset
from localnoise.sims.data.draw import split as split
from localnoise.sims.data.sheet import ClassRow as ClassRow
from localnoise.sims.data.sheet import Description as Description
from localnoise.sims.data.sheet import contact_sheet as contact_sheet
from localnoise.sims.data.sheet import describe as describe
from localnoise.sims.data.sources import load as load

__all__ = [
    "CLASS_NAMES",
    "ClassRow",
    "Dataset",
    "Description",
    "contact_sheet",
    "describe",
    "load",
    "split",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)

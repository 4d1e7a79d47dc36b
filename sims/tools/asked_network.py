"""A task's whole network, as the options of `localnoise export` ask for it; beside a file they have no meaning."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from localnoise.errors import ArgumentError

NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The command's arguments, by their options' names; its help says what each is.

    Attributes
    ----------
    task, chip : str
    seed : int
    """

    task: str
    chip: str
    seed: int
    weights: Path | None = None
    layer: str = ""
    defense: str = NONE
    train: str = ""
    preset: str = "standard"
    epochs: int | None = None
    cache: Path | None = None
    training: str = "backprop"
    draws: int | None = None
    vote: bool = False
    weight_bits: int = 8
    activation_bits: int = 8
    data: str = "full"
    test_images: int = 1000

    def refuse_beside(self, file: Path) -> None:
        """Refuse options of networks where a file holds what is in integers already.

        Raises
        ------
        ArgumentError
            One of them differs from its default.
        """
        for one in fields(self):
            value = getattr(self, one.name)
            if one.default not in (MISSING, value):
                raise ArgumentError(
                    f"--{one.name.replace('_', '-')}={value}: of a task's network, and {file} holds what is in "
                    "integers already: leave it out; bits are chosen by `localnoise quantise`"
                )

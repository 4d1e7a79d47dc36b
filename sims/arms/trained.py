"""Arms that train on more than clean images: augmentation with the same modification, matched information."""

from localnoise.sims.arms.arm import Arm

TRAINED = (
    Arm(
        name="augmentation",
        label="augmentation, central",
        build=None,
        central=True,
        when="never",
        clean=0.2,
        revision=2,  # 1 began its optimiser anew with each epoch's modifications
    ),
)

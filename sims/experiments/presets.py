"""How much to spend: `quick` looks, `standard` measures, `full` leaves nothing out."""

from dataclasses import dataclass, replace
from pathlib import Path

from localnoise.errors import ArgumentError, choose
from localnoise.sims.attacks import PGD
from localnoise.sims.evaluation import Adaptive
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.settings import Settings
from localnoise.validate import as_count


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One choice of data, seeds, epochs, images and strengths.

    Attributes
    ----------
    data : str
        "embedded" or "full".
    seeds : int
        Seeds 0, 1, ..., each with its own network.
    base_epochs, epochs : int
        Of training all layers, and of retraining those after the noise (the paper: 10 and 10).
    images : int
        Test images, the first of the test set.
    displaced : int
        Training images modified to learn a covariance from, in `paper` and `transfer`.
    attacked_train, attacked_test : int
        Training images attacked to learn from; test images under the `adaptive` protocol.
    strengths : int
        Levels of each source in the rerun of the paper's table.
    adaptive : Adaptive
    pgd : PGD
    """

    data: str
    seeds: int
    base_epochs: int
    epochs: int
    images: int
    displaced: int
    attacked_train: int
    attacked_test: int
    strengths: int
    adaptive: Adaptive
    pgd: PGD

    def settings(self, data_dir: Path | None, task: Chosen | None = None) -> Settings:
        """Settings of an experiment at this preset; without a task of v2, its noise after the second layer."""
        chosen = Chosen.of() if task is None else task
        return Settings(
            base_epochs=chosen.epochs(self.base_epochs),
            epochs=chosen.epochs(self.epochs),
            attack=self.pgd,
            attacked_train=self.attacked_train,
            attacked_test=self.attacked_test,
            adaptive=self.adaptive,
            **chosen.settings(self.data, data_dir),
        )


PRESETS = {
    "quick": Preset(
        data="embedded",
        seeds=1,
        base_epochs=5,
        epochs=2,
        images=300,
        displaced=10_000,
        attacked_train=500,
        attacked_test=60,
        strengths=1,
        adaptive=Adaptive(steps=10, ladder=(1, 5), queries=100, tries=10, votes=9, checked=60),
        pgd=PGD(steps=10, draws=4),
    ),
    "standard": Preset(
        data="full",
        seeds=3,
        base_epochs=10,
        epochs=3,
        images=1_000,
        displaced=20_000,
        attacked_train=3_000,
        attacked_test=100,
        strengths=4,
        adaptive=Adaptive(steps=40, ladder=(1, 5, 20), queries=500, tries=50, checked=50),
        pgd=PGD(),
    ),
    "full": Preset(
        data="full",
        seeds=5,
        base_epochs=10,
        epochs=10,
        images=10_000,
        displaced=60_000,
        attacked_train=20_000,
        attacked_test=1_000,
        strengths=9,
        adaptive=Adaptive(),
        pgd=PGD(),
    ),
}


def preset(
    name: str,
    *,
    seeds: int | None = None,
    epochs: int | None = None,
    attacked: int | None = None,
    steps: int | None = None,
) -> Preset:
    """Return the preset of this name, with what is given in the place of its own.

    seeds, epochs : networks, and epochs of retraining.
    attacked, steps : of the worst case, test images and steps of each attack.

    Raises
    ------
    ArgumentError
        An unknown name (the near one is suggested), less than one of what is counted, or more attacked test images than
        there are.
    """
    chosen = PRESETS[choose("preset", name, PRESETS)]
    few = chosen.attacked_test if attacked is None else as_count("attacked", attacked, 1)
    if attacked is not None and few > chosen.images:
        raise ArgumentError(
            f"attacked={attacked}: expected at most the {chosen.images} test images of the preset {name!r}; "
            "a larger preset has more"
        )
    return replace(
        chosen,
        seeds=chosen.seeds if seeds is None else as_count("seeds", seeds, 1),
        epochs=chosen.epochs if epochs is None else as_count("epochs", epochs, 1),
        attacked_test=few,
        adaptive=chosen.adaptive if steps is None else replace(chosen.adaptive, steps=as_count("steps", steps, 1)),
    )

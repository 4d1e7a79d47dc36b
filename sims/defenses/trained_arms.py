"""Central arms that train in their own way, on more than clean images: what noise is judged against."""

from localnoise.nn import Predictor
from localnoise.sims.defenses.adversarial import adversarial
from localnoise.sims.defenses.augmentation_plan import Augmenting
from localnoise.sims.defenses.defense import Defense
from localnoise.sims.defenses.gaussian import gaussian
from localnoise.sims.defenses.lesson import Lesson
from localnoise.sims.defenses.modified import modified
from localnoise.sims.defenses.registry import register
from localnoise.sims.defenses.wca import wca


def _adversarial(ratio: float, whole: bool) -> Defense:
    def train(lesson: Lesson) -> Predictor:
        return adversarial(lesson, ratio=ratio, whole=whole)

    share = f"{ratio:.0%} adversarial".replace("%", " %")
    label = f"{share}, all layers" if whole else share
    name = f"adversarial-{100 * ratio:.0f}" + ("-whole" if whole else "")
    summary = f"Adversarial training of {'all' if whole else 'later'} layers, K % of images attacked by PGD."
    return Defense(name=name, label=label, summary=summary, train=train, central=True, learns=False, whole=whole)


TRAINED = (
    Defense(
        name="augmentation",
        label="augmentation, central",
        summary="No noise: later layers retrained on modified images and their labels.",
        train=modified,
        central=True,
        central_locally=False,
        revision=3,  # 1 began its optimiser anew with each epoch's modifications; 2 drew them from another stream
    ),
    Defense(
        name="augmentation-whole",
        label="augmentation, all layers",
        summary="augmentation of all layers.",
        train=lambda lesson: modified(lesson, whole=True),
        central=True,
        central_locally=False,
        whole=True,
        longer=2.5,
    ),
    Defense.of_augmentation(Augmenting()),
    Defense(
        name="input-noise",
        label="Gaussian input augmentation",
        summary="Gaussian noise on training images; later layers retrained.",
        train=lambda lesson: gaussian(lesson, sigma=0.25),
        central=True,
        central_locally=False,
        learns=False,
    ),
    Defense(
        name="input-noise-whole",
        label="Gaussian input augmentation, all layers",
        summary="input-noise, all layers trained.",
        train=lambda lesson: gaussian(lesson, sigma=0.25, whole=True),
        central=True,
        central_locally=False,
        learns=False,
        whole=True,
        longer=2.5,
    ),
    _adversarial(0.5, whole=False),
    _adversarial(0.9, whole=False),
    _adversarial(0.5, whole=True),
    _adversarial(0.9, whole=True),
    Defense(
        name="wca",
        label="WCA-Net",
        summary="WCA-Net, learned noise whose covariance aligns with the readout's weights.",
        train=wca,
        central=True,
        crosses=True,
        learns=False,
    ),
    Defense(
        name="wca-whole",
        label="WCA-Net, all layers",
        summary="wca, all layers trained.",
        train=lambda lesson: wca(lesson, whole=True),
        central=True,
        crosses=True,
        learns=False,
        whole=True,
    ),
)
register(*TRAINED)

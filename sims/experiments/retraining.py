"""Later layers trained anew, with labels, on what repairs leave: stage by stage, each behind the repairs before it.

1. The task's layer keeps its repair; fresh layers are trained behind it.
2. On that network the next layer learns its ways back, and what follows it is trained on, behind both repairs.
3. The layers that are left learn theirs.

Here repairs have neither margins nor worth: what a repair of a clean input costs, labels teach later layers to bear.
Where the network cannot be cut behind the second repaired layer, as inside of a residual branch, or nothing follows to
train, stage 2 is left out, and all repairs are calibrated as they are of a frozen network.
"""

from collections.abc import Callable

from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn import NoNoise, Predictor, cut
from localnoise.sims.defenses.augmentation_plan import Augmenting
from localnoise.sims.defenses.augmentation_training import until_no_better
from localnoise.sims.defenses.lesson import Lesson
from localnoise.sims.defenses.repair_plan import NONE, Repairing
from localnoise.sims.defenses.repaired_network import CUT, mended
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.learned_repairs import Learned
from localnoise.sims.experiments.mender import Mender
from localnoise.sims.experiments.repair_variants import opened


def repaired(
    mender: Mender, plan: Repairing, sources: tuple[Source, ...], lesson: Callable[[], Lesson]
) -> tuple[Predictor, dict[str, float]]:
    """Return the repaired network; and how many numbers its repairs need, and what training has to say.

    lesson : asked for where later layers are trained.
    """
    front = mender.bench.network.front
    if plan.layers == NONE:
        return Predictor(front, NoNoise(), mender.bench.network.back, 1).eval(), {"parameters": 0}
    learned, facts = mender.learned(plan, sources), dict[str, float]()
    if plan.retrained:
        given = lesson()
        mender, learned = retrained(mender, plan, sources, learned, given)
        facts = given.facts
    made = mended(front, learned.attached(mender.model), told=plan.told)
    return made, {"parameters": learned.parameters, **facts}


def retrained(
    mender: Mender, plan: Repairing, sources: tuple[Source, ...], learned: Learned, given: Lesson
) -> tuple[Mender, Learned]:
    """Return the mender of a network whose later layers were trained on repaired activations, and its repairs.

    Cost: each epoch alters and repairs every training image once; as many epochs as held-out images gain from.

    Parameters
    ----------
    mender : Mender
        Of the network as it was.
    plan : Repairing
    sources : tuple of Source
    learned : Learned
        Repairs of that network, which stay as they are.
    given : Lesson
        Its facts say how many epochs both trainings took, and the held-out accuracy after the last one.
    """
    front, first = mender.bench.network.front, _open(learned.first)
    later = given.back(given.seed)
    _train(given, nn.Sequential(front, first.attached(mender.model).get_submodule(CUT)), later)
    behind = mender.behind(later)
    layers = behind.later(plan.layers)
    if not layers:
        return behind, first
    parts = _cut(later, layers[0].removeprefix("1."), mender.bench.h_train[:2])
    if parts is None:
        anew = behind.lessons(plan).learned(sources, layers, learned.first)
        behind.calibrate(anew, plan, sources)
        return behind, anew
    before, after = parts
    known = behind.lessons(plan).learned(sources, layers[:1], first)
    model = known.attached(behind.model)
    task, second = model.get_submodule(CUT), model.get_submodule(f"{layers[0]}.noise")
    _train(given, nn.Sequential(front, task, before, second), after.requires_grad_(True))  # weights of `later`
    final = mender.behind(later)
    return final, final.lessons(plan).learned(sources, layers, known)


def _cut(later: nn.Module, name: str, few: Tensor) -> tuple[nn.Module, nn.Module] | None:
    """Return what runs up to a layer and what follows; None where values pass beside it, or there is none to train."""
    try:
        before, after = cut(later, name, few)
    except ArgumentError:
        return None
    return (before, after) if any(True for _ in after.parameters()) else None


def _open(learned: Learned) -> Learned:
    """Return repairs without margins and worth."""
    return Learned({name: opened(repair) for name, repair in learned.repairs.items()}, learned.ways)


def _train(given: Lesson, front: nn.Module, back: nn.Module) -> None:
    """Train the back until held-out images are answered no better; epochs add up."""
    before = given.facts.get("trained.epochs", 0.0)
    until_no_better(given, front, back, whole=False, patience=Augmenting.patience)
    given.facts["trained.epochs"] += before

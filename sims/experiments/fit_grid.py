"""One grid learned from one source: a network trained or loaded, a layer displaced, a field learned."""

from torch import Tensor

from localnoise import UnitGrid
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models.training import BACKPROP, Tick
from localnoise.sims.runtime.stage import Stage, ticker

_CHUNK = 5000  # displacements between two steps of progress: each call of learn solves all units anew


def fitted(
    grid: UnitGrid, bench: Testbed, source: Source, *, rule: str, variance: float | None, scope: str, stage: Stage
) -> tuple[Tensor, Tensor]:
    """Let `grid` learn how a source displaces a layer; return the displacements d and activations h, (T, C, H, W).

    Parameters
    ----------
    grid : UnitGrid
        Fresh, of the layer's layout; it is changed, and says afterwards where it was learned.
    bench : Testbed
        The network, which is trained unless it is kept, and the images.
    source : Source
    rule : str
        How units learn.
    variance : float or None
        Noise variance per neuron; None: the source's own, or the natural scale of a signal-dependent grid.
    scope : {"global", "local"}
        Of the gain.
    stage : callable
        Called with what is being done, how much of it is done, and of how much.
    """
    images = bench.data.count
    bench.train_base(ticker(stage, f"train {bench.name}", bench.epochs * images))
    attacked = bench.attacked_train if source.name in ATTACKS else 0
    displacing: Tick = ticker(stage, f"displace layer {bench.layer} by {source.name}", attacked)
    d, h = bench.displacement(source, tick=displacing)
    learning = ticker(stage, f"learn by {rule}", len(d))
    for first in range(0, len(d), _CHUNK):
        rows = slice(first, min(first + _CHUNK, len(d)))
        grid.learn(d[rows].numpy(), h[rows].numpy() if grid.field.signal else None, rule=rule)
        learning(rows.stop - rows.start)
    if variance is not None or not grid.field.signal:
        grid.normalise(source.variance if variance is None else variance, scope)
    grid.provenance = {
        "network": bench.name, "activation": bench.activation, "layer": bench.layer, "source": source.name,
        "level": source.level, "seed": bench.seed, "epochs": bench.epochs, "data": bench.data.source,
        "fingerprint": bench.data.fingerprint,
    }  # fmt: skip
    if bench.by != BACKPROP:
        grid.provenance["training"] = bench.by
    return d, h

"""How much `localnoise spiking` spends: `quick` looks, `standard` measures."""

from dataclasses import dataclass

from localnoise.sims.attacks import PGD
from localnoise.sims.models.training import BACKPROP


@dataclass(frozen=True, kw_only=True)
class SpikingPreset:
    """A plan of how much to spend.

    Attributes
    ----------
    data : str
        "embedded" or "full".
    base_epochs, epochs : int
        Of training the network, and of retraining its later layers.
    displaced : int
        Training images that a grid learns from.
    stimuli, trials : int
        Images, and trials of each, in which variability is measured.
    images : int
        Test images of the defense, one trial each.
    attacked : int
        The first of them, which are attacked too.
    attack : PGD
        Through the counts' table, averaged over draws of field and neurons.
    draws : int
        Draws of the field that are held against the closed form.
    shown : int
        Displacements that spike-timing plasticity learns from.
    target : str
        Brian2's.
    seeds : int
        Seeds 0, 1, ..., each with its own network.
    network : str
        Whose second layer spikes; records say it where it is another than v2.
    training : str
        How the network learns; records say it where it is no backpropagation.
    """

    data: str
    base_epochs: int
    epochs: int
    displaced: int
    stimuli: int
    trials: int
    images: int
    attacked: int
    attack: PGD
    draws: int
    shown: int
    target: str = "cython"
    seeds: int = 1
    network: str = "v2"
    training: str = BACKPROP


PLANS = {
    "quick": SpikingPreset(
        data="embedded",
        base_epochs=5,
        epochs=1,
        displaced=10_000,
        stimuli=4,
        trials=30,
        images=30,
        attacked=20,
        attack=PGD(eps=0.1, steps=10, draws=4, keep="best"),
        draws=100,
        shown=1_000,
    ),
    "standard": SpikingPreset(
        data="full",
        base_epochs=10,
        epochs=3,
        displaced=20_000,
        stimuli=20,
        trials=60,
        images=500,
        attacked=200,
        attack=PGD(eps=0.1, steps=20, draws=10, keep="best"),
        draws=1_000,
        shown=8_000,
        seeds=3,
    ),
}

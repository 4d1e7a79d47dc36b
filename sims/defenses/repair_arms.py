"""Arms that repair: units undo what happened to an activation; the network's weights stay as they are."""

from dataclasses import replace

from localnoise.sims.defenses.defense import Defense
from localnoise.sims.defenses.registry import register
from localnoise.sims.defenses.repair_plan import FIRST, NONE, Repairing

UNDEFENDED = "undefended"
"""The network as it was trained."""
REPAIRS = tuple(
    replace(Defense.of_repair(plan, name, label), summary=summary)
    for name, label, summary, plan in (
        (UNDEFENDED, "undefended", "The network as it was trained, nothing retrained.", Repairing(layers=NONE)),
        ("repair", "repair", "Units undo what happened to activations; no weight changes.", Repairing()),
        ("repair-oracle", "repair, told the source", "repair that is told what happened.", Repairing(told=True)),
        ("repair-16", "repair, 16 causes", "repair with sixteen ways back a source.", Repairing(causes=16)),
        ("repair-dense", "repair, dense, central", "repair by dense maps: central.", Repairing(dense=True)),
        (
            "repair-retrained",
            "repair, later layers retrained",
            "Later layers retrained behind repairs, stage by stage.",
            Repairing(retrained=True),
        ),
        (
            "repair-augmented",
            "repair of an augmented network",
            "repair of the network that augmentation-whole trained.",
            Repairing(after="augmentation-whole"),
        ),
        (
            "repair-noise",
            "repair of a network trained under noise",
            "repair of the network that signal-8 trained.",
            Repairing(after="signal-8"),
        ),
        (
            "repair-8",  # three sources fit a megabyte of flash; nobody asks what a repair is worth
            "repair of one layer in 8 bits",
            "repair of one layer in 8 bits, small enough for a microcontroller.",
            Repairing(layers=FIRST, share="places", radius=1, parents=2, worth=False, bits=8),
        ),
    )
)
register(*REPAIRS)

"""Arms that repair: units undo what happened to an activation; the network's weights stay as they are."""

from localnoise.sims.defenses.defense import Defense
from localnoise.sims.defenses.registry import register
from localnoise.sims.defenses.repairing import FIRST, NONE, Repairing

REPAIRS = tuple(
    Defense.of_repair(plan, name, label)
    for name, label, plan in (
        ("undefended", "undefended", Repairing(layers=NONE)),
        ("repair", "repair", Repairing()),
        ("repair-oracle", "repair, told the source", Repairing(told=True)),
        ("repair-16", "repair, 16 causes", Repairing(causes=16)),
        ("repair-dense", "repair, dense, central", Repairing(dense=True)),
        ("repair-retrained", "repair, later layers retrained", Repairing(layers=FIRST, retrained=True)),
        (
            "repair-8",  # three sources fit a megabyte of flash; nobody asks what a repair is worth
            "repair of one layer in 8 bits",
            Repairing(layers=FIRST, share="places", radius=1, parents=2, worth=False, bits=8),
        ),
    )
)
register(*REPAIRS)

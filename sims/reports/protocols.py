"""The attacks that were run under a threat's name, in words, from a record's configuration alone."""

from typing import Any

from localnoise.sims.evaluation import Adaptive
from localnoise.sims.results.plain import plain

_PAPER = {"fgm": "FGM", "pgd": "PGD", "autopgd": "AutoPGD", "square": "Square"}


def ran(threat: dict[str, Any], config: dict[str, Any]) -> str:
    """Say which attack a threat stands for, with its options; "" for clean and modified images.

    threat : as a record's configuration holds it, one of its "threats".
    """
    name, attack = threat["name"], config.get("attack", {})
    draws = f"{attack.get('draws', '?')} draws a gradient"
    if name == "adaptive":
        verdict = config.get("verdict", 1)
        said = {"votes": 5} if verdict == 1 else {}  # where the record says nothing, it was the default of its time
        return _worst_case(plain(Adaptive()) | said | config.get("adaptive", {}), verdict, config.get("twin", ""))
    if name == "pgd":
        step = "eps / 4" if attack.get("step") is None else f"{attack['step']:g}"
        return f"PGD alone, {attack.get('steps', '?')} steps of {step}, {draws}"
    if name.startswith("art-"):
        return f"ART's {_PAPER[name.removeprefix('art-')]} with its defaults, as the paper has it, one draw a gradient"
    alone = {
        "fgsm": f"FGSM alone, {draws}",
        "apgd-ce": f"APGD with cross-entropy alone, {draws}",
        "apgd-dlr": f"APGD with the DLR loss alone, {draws}",
        "square": "Square alone, no gradients",
        "random": "random points alone",
    }
    return alone.get(name, "")


def _worst_case(options: dict[str, Any], verdict: int, twin: str) -> str:
    whose = "the undefended network" + (f" and its {twin} twin" if twin else "")
    attacks = (
        f"APGD-CE, APGD-DLR and PGD ({options['steps']} steps), FGSM, up to {max(options['ladder'])} draws a gradient; "
        f"transfer from {whose}, random points ({options['tries']}), Square ({options['queries']:,} "
        "queries)"
    )
    judged = (
        f"an image's worst example is chosen by {options['votes']} votes and judged by a fresh one"
        if verdict > 1
        else f"judged by the {options['votes']} votes on each example (revision 1), which is too low where "
        "noise alone changes votes"
    )
    return f"worst case, image by image, over {attacks}; {judged}"

"""The figure of a device's audit: where on the grid the tests stand out."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from localnoise.hardware.audit import DeviceAudit, Verdict
from localnoise.sims.reports.figures import DOUBLE, drawn, lettered

_MOST = 12.0  # orders of magnitude that the colors tell apart


def audit_figure(audit: DeviceAudit, verdict: Verdict, path: Path) -> None:
    """Draw one map a family of tests: the least p-value of each unit, as -log10; named units are ringed."""
    families = {
        "Noise, spread": "spread",
        "Noise, mean": "mean",
        "Unit's gain": "prediction",
        "Links": "link",
        "Past": "past",
    }
    p = audit.p_values()
    with drawn(path, (DOUBLE, 2.1), alone=True) as figure:
        panels = figure.subplots(1, len(families))
        for axes, name in zip(panels, families.values(), strict=True):
            least = -np.log10(np.maximum(p[name].min(axis=0), 10.0**-_MOST))
            shown = axes.imshow(least, cmap="cividis", vmin=0, vmax=_MOST)
            for one in verdict.findings:
                if one.unit is not None:
                    axes.plot(one.unit[1], one.unit[0], "o", mfc="none", mec="#D55E00", ms=8, mew=1.2)
            axes.set(xlabel="x (units)")
            axes.grid(visible=False)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(4, integer=True))
        panels[0].set_ylabel("y (units)")
        figure.colorbar(shown, ax=list(panels), label="$-\\log_{10}$ least p", pad=0.01)
        lettered(panels, list(families))

"""The local rules in Brian2 on a network's displacements: lms beside Numba's, spike timing beside its fixed point."""

from typing import Any

import numpy as np
import numpy.typing as npt
from brian2 import ms

from localnoise import UnitGrid
from localnoise.spiking.lms import learn_lms
from localnoise.spiking.stdp import STDP
from localnoise.spiking.stdp_learning import learn_stdp

_PATCH, _LARGEST = slice(5, 8), 2.0  # units of a 3 x 3 patch in the layer's middle; of d, where relays stay above 0

_DT = 1 * ms  # which the shot noise of discrete steps depends on: 11 % below that of continuous time


def lms(d: npt.NDArray[Any], target: str) -> dict[str, Any]:
    """Largest difference of weights and factors between Brian2's synapses and the Numba rule, on d (T, C, H, W)."""
    grid = UnitGrid((d.shape[2], d.shape[3]), d.shape[1], order="raster", radius=1, dtype="float64")
    theirs = learn_lms(grid, d, target=target)
    ours = grid.learn(d, rule="lms")
    return {
        "lms.difference": float(np.abs(theirs.field.B - ours.field.B).max()),
        "lms.factor": float(np.abs(theirs.field.S - ours.field.S).max()),
        "lms.largest": float(np.abs(ours.field.B).max()),
        "lms.shown": len(d),
    }


def stdp(d: npt.NDArray[Any], causal: float, copies: int, seed: int, progress: Any) -> dict[str, Any]:
    """Weights that spikes have taught a patch of the layer, against the fixed point, and the covariance they give.

    Displacements are centred, scaled to unit variance, cut at `_LARGEST`. z: distance to the fixed point in standard
    errors over copies. Compiled whole: the steps are many and small.
    """
    x = d[:, :2, _PATCH, _PATCH].astype(np.float64)
    x = x - x.mean(0)
    x = np.clip(x / x.std(0), -_LARGEST, _LARGEST)
    x = x - x.mean(0)
    grid = UnitGrid((x.shape[2], x.shape[3]), x.shape[1], order="raster", radius=1, dtype="float64")
    rule = STDP(causal=causal)
    found = learn_stdp(grid, x, rule, dt=_DT, seed=seed, target="cpp_standalone", copies=copies, progress=progress)
    moments = np.cov(x.reshape(len(x), -1).T, bias=True)
    point, exact = rule.fixed_point(grid, moments, _DT), STDP(causal=0.0).fixed_point(grid, moments)
    there = point != 0
    mean = found.weights.mean(0)
    error = found.grid.covariance() - moments
    return {
        "stdp.causal": causal,
        "stdp.correlation": float(np.corrcoef(mean[there], point[there])[0, 1]),
        "stdp.error": float(np.linalg.norm((mean - point)[there]) / np.linalg.norm(point[there])),
        "stdp.regression_error": float(np.linalg.norm((mean - exact)[there]) / np.linalg.norm(exact[there])),
        "stdp.mean_square_z": float(np.square((mean - point)[there] / found.standard_error[there]).mean()),
        "stdp.covariance_error": float(np.linalg.norm(error) / np.linalg.norm(moments)),
        "stdp.independent_error": float(np.linalg.norm(moments - np.diag(np.diag(moments))) / np.linalg.norm(moments)),
        "stdp.shown": len(x),
        "stdp.copies": copies,
        "stdp.weights": mean[there],
        "stdp.fixed_point": point[there],
    }

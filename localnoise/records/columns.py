"""The meanings and units of the columns of records: the text of `help(localnoise.read_records)`."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeVar

COLUMNS = {
    "seconds": "time that the record took to compute, s",
    "error": "text of the error that ended it, where one did",
    # A configuration
    "config.arm": "defense",
    "config.seed": "of the network's training, of the noise and of the attacks",
    "config.fingerprint": "hash of the images, hexadecimal",
    "config.epochs": "of training with the defense",
    "config.base_epochs": "of training the undefended network",
    "config.training": "local rule by which all layers learned; without the column by backpropagation",
    "config.draws": "noise draws whose mean logits, or votes, are a prediction",
    "config.sources": "train perturbations, where the list is empty",
    "config.sources.*.name": "train perturbation",
    "config.sources.*.level": "its severity or strength; of an attack eps, in pixel values from 0 to 1",
    "config.sources.*.trace": "variance of the noise, per neuron, in squared units of the activation; "
    "null is the natural scale",
    "config.threats.*.name": "test perturbation",
    "config.threats.*.level": "its severity or strength; of an attack eps, in pixel values from 0 to 1",
    "config.threats.*.images": "test images",
    "config.*": "another setting that the result depends on",
    # What made it
    "provenance.code": "commit of the code, 40 hexadecimal digits that `git show` finds; of an installation without a "
    "checkout its version and source hash; of a record without a column provenance.source that hash alone",
    "provenance.source": "hash of the source files that a result depends on, 12 hexadecimal digits",
    "provenance.modified": "true where those files differed from the commit",
    "provenance.written": "when, ISO 8601, UTC",
    "provenance.*": "version of a package",
    # An experiment
    "accuracy.*": "share of test images classified rightly under the test perturbation, 0 to 1",
    "correct.*": "which of the test images were, in their order: one entry, and one bit in the file, an image",
    "parameters": "numbers that describe the noise",
    "bytes_per_unit": "memory of a unit's parameters, bytes",
    "noise.links": "links from parents to children, of all units",
    "noise.wire_length": "sum of their Manhattan lengths, in pitches of the grid",
    "noise.divergence": "KL divergence of the chip's noise from the grid's, nats per unit",
    "noise.covariance_error": "of the chip's noise, relative Frobenius norm",
    "noise.saturated": "share of emulated words at the end of their range, 0 to 1",
    "noise.*": "another number of the grid",
    "adaptive.unreliable": "reasons of the checks that failed; empty where all hold",
    "adaptive.draws": "noise draws per gradient that were tried, ascending",
    "adaptive.accuracy_by_draws": "robust accuracy at each of them, 0 to 1",
    "adaptive.bias": "how far judging an example by its votes lowers accuracy",
    "adaptive.broken_by.*": "images that the attack broke first",
    "adaptive.check.*": "whether the check holds",
    "adaptive.noise_off.*": "accuracy, clean or robust, with the noise off at test, 0 to 1",
    # A sweep
    "text": "the study, TOML",
    "energy": "of a draw by the 45 nm table, uJ",
    "peak_bytes": "most memory of the worker's process, bytes",
    "pruned": "1 where the trial was ended early",
    # Spikes
    "rate": "mean firing rate, Hz",
    "neurons": "in the layer",
    "fano": "variance over mean of the spike count, mean over stimuli and neurons",
    "mean": "of the spike count in a window, over trials, of neurons drawn at random",
    "variance": "of the same counts, spikes squared",
    "correlation": "mean noise correlation of pairs of neurons",
    "correlation.spread": "its standard deviation over pairs",
    "slope.signal": "slope of noise correlation on signal correlation",
    "pairs.noise": "noise correlation of pairs drawn at random",
    "pairs.signal": "signal correlation of the same pairs",
    "pairs.distance": "of the same pairs, in pitches of the grid",
    "participation": "participation ratio of the noise covariance, dimensions",
    "alignment": "variance along stimulus change over that along an average direction",
    "alignment.random": "the same along random directions",
    "table.*": "accuracy with spike counts drawn from a table, one trial, 0 to 1",
    "table10.*": "the same, mean of ten trials",
    "field.difference": "largest difference between Brian2's field and Numba's, in standard deviations",
    "field.*": "agreement of covariances: z in standard errors, p a share, draws and entries counted",
    "lms.*": "largest weight, largest differences of weights and factors from Numba's rule, and displacements shown",
    "stdp.*": "weights that spikes taught, beside their fixed point: errors are relative norms, z in standard errors",
    # Benchmarks
    "ours": "median time of ours, s, or memory, bytes, as `unit` says",
    "peer": "that of the peer",
    "ratio": "of the two: how many times as fast, or as much memory",
    "unit": "s or B",
    "first": "first call with its compilation, s",
    "repeats": "behind the medians",
    "checked": "how it was seen that both do the same",
}
"""Meaning and unit by the column's name; `*` stands for any part of it. The first pattern that fits counts."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def meaning(column: str) -> str:
    """Return what a column means, and its unit; empty where it is not ours.

    Examples
    --------
    >>> meaning("config.sources.0.name")
    'train perturbation'
    """
    return next((said for pattern, said in COLUMNS.items() if fnmatchcase(column, pattern)), "")


def documented(function: _Function) -> _Function:
    """Add the table of columns to a function's docstring."""
    lines = [f"    {name} : {said}" for name, said in COLUMNS.items()]
    title = "    Columns (also `localnoise.records.COLUMNS`)"
    if function.__doc__:  # gone with python -OO
        function.__doc__ = "\n".join([function.__doc__.rstrip(), "", title, "    " + "-" * 43, *lines, "    "])
    return function

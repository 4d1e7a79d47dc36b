"""WCA-Net: noise on the penultimate layer, its full covariance learned by gradients with the weights."""

from torch import Tensor, nn

from localnoise.nn import Predictor
from localnoise.sims.defenses.learned_covariance import LearnedNoise
from localnoise.sims.defenses.lesson import Lesson, teach
from localnoise.sims.models.readout import without_readout
from localnoise.validate import as_count, check_positive

# `select` over 0, 0.003, 0.01, 0.03, 0.1 on 500 held-out images of the embedded training set (v2, layers after the
# frozen front, 5 epochs, PGD of 10 steps with 8 draws): robust 0.170, 0.156, 0.158, 0.172, 0.186; clean 0.846, 0.848,
# 0.846, 0.840, 0.794. The robust ones differ by less than two standard errors (0.017 each): no strength was found to
# help a mean of logits against an attacker who averages too.
STRENGTH = 0.03


def objective(noise: LearnedNoise, last: nn.Linear, strength: float, decay: float) -> Tensor:
    """-strength sum_i ln(w_i' Sigma w_i) + decay/2 (|W|^2 + |L|^2), Sigma = L L', w_i' the rows of W. Cost O(C D^2)."""
    variance = (last.weight @ noise.factor).square().sum(1)  # of logit i
    norms = last.weight.square().sum() + noise.factor.square().sum()
    return 0.5 * decay * norms - strength * variance.log().sum()


def wca(
    lesson: Lesson,
    *,
    strength: float = STRENGTH,
    decay: float = 1e-4,
    draws: int = 10,
    whole: bool = False,
) -> Predictor:
    """WCA-Net, the anisotropic variant of Eustratiadis, Gouk, Li and Hospedales 2021 (ICML; arXiv 2010.08852).

    The last hidden layer's activation gets N(0, L L'), and the loss is

        L_C - strength sum_i ln(w_i' L L' w_i) + decay/2 (|W|^2 + |L|^2),

    L_C the cross-entropy of one noisy presentation, w_i the classifier's weights for class i. Their Theorem 1 bounds
    what an attack can add to a binary margin classifier's error by Delta / sqrt(2 pi w' Sigma w), Delta being how far
    the attack moves the noiseless output: so noise should be large along the weights, and the penalty on the norms
    keeps it from growing without end. The authors' code has ln of the sum, strength 1 and decay 1e-4.

    The bound is about one noisy pass. The layer after the noise is linear: the mean of K logits has its noise's
    variance divided by K, and what an attacker averages away, a deployed mean loses too.

    Parameters
    ----------
    lesson : Lesson
        Its `back` must give a network that ends in a Linear.
    strength : float
        Of the alignment, >= 0; to be chosen on held-out training images (`select`).
    decay : float
        Of the squared norms, >= 0.
    draws : int
        K, logits averaged by the deployed predictor.
    whole : bool
        Train all layers from scratch, as the paper does.

    Returns
    -------
    Predictor
        In evaluation mode, its noise on: front, everything before the noise; back, the last layer. Adds D (D + 1) / 2
        parameters, D units in the last hidden layer.

    Raises
    ------
    ArgumentError
        A bad strength, decay or number of draws; other last layers; `whole` without fresh layers.
    """
    check_positive("strength", strength, zero=True)
    check_positive("decay", decay, zero=True)
    draws = as_count("draws", draws, 1)
    front, back = lesson.networks(whole)
    hidden, last = without_readout(back)
    noise = LearnedNoise(last.in_features, lesson.seed)
    teach(
        lesson,
        front,
        nn.Sequential(hidden, noise, last),
        whole,
        penalty=lambda given: objective(noise, last, strength, decay),
    )
    noise.reseed(lesson.seed)  # the deployed stream does not depend on how long training was
    return Predictor(nn.Sequential(front, hidden), noise, last, draws).eval()

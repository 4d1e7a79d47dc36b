"""Checks that a defense's gradient can be trusted: present, finite, and pointing uphill."""

import torch
from torch import Tensor

from localnoise.sims.attacks.base import Bounds, Predict, ball, batches, drawing, reseed
from localnoise.sims.attacks.losses import margin
from localnoise.sims.evaluation.checks import SanityCheck

_DEAD = 0.01  # share of images that may have none


def gradient_of_margin(predictor: Predict, images: Tensor, labels: Tensor) -> Tensor:
    """d margin / d image as autograd gives it, NaN and all, of the images' shape; zero where the graph is cut.

    The margin, not the cross-entropy: a confident softmax underflows in honest networks too.
    """
    x = images.detach().clone().requires_grad_(True)
    value = margin(predictor(x), labels).sum()
    found = torch.autograd.grad(value, x, allow_unused=True)[0] if value.requires_grad else None
    return torch.zeros_like(images) if found is None else found


def draw_to_draw(predictor: Predict, images: Tensor, labels: Tensor, draws: int = 1) -> float:
    """Return the mean cosine of an image's two gradients, each of its own `draws` draws; NaN where there is no image.

    1 without noise. Of a cosine c the variance of the gradient from draw to draw is (1 - c) / c of its squared mean:
    where it is large, an attacker who takes few draws climbs noise, and the network looks more robust than it is
    (arXiv 2204.10839). Images whose gradient is zero everywhere, or not finite, are left out.
    """
    with drawing(predictor, draws):
        pairs = list(batches(images, labels, len(labels) or 1, draws))
        one, two = (
            torch.cat([gradient_of_margin(predictor, x, y) for x, y in pairs]).flatten(1).double() for _ in range(2)
        )
    cosines = (one * two).sum(1) / (one.norm(dim=1) * two.norm(dim=1))
    return float(cosines[cosines.isfinite()].mean())


def gradient_exists(predictor: Predict, images: Tensor, labels: Tensor, draws: int = 20) -> SanityCheck:
    """At most 1 % of the images have a gradient that is zero everywhere, or not finite somewhere."""
    with drawing(predictor, draws):
        parts = [gradient_of_margin(predictor, x, y) for x, y in batches(images, labels, len(labels) or 1, draws)]
    flat = torch.cat(parts).flatten(1)
    broken = int((~flat.isfinite()).any(1).sum())
    zero = int((flat == 0).all(1).sum())
    return SanityCheck(
        "gradient_exists",
        broken + zero <= _DEAD * len(images),
        f"Of {len(images)} images {zero} have a gradient of zero, {broken} one that is not finite.",
    )


def gradient_points_uphill(
    predictor: Predict,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    bounds: Bounds,
    draws: int = 20,
    seed: int = 0,
) -> SanityCheck:
    """A step of eps / 4 against the margin's gradient lowers the margin by more than a random step does.

    The random step is sign for sign as large. Over the images, the mean of the paired differences of the two margins
    must lie below zero by two standard errors. A gradient that is quantised, shuffled or cut in parts points nowhere.
    """
    if not len(images):
        return SanityCheck("gradient_points_uphill", True, "No image is right unattacked.")
    generator = torch.Generator().manual_seed(seed)
    with drawing(predictor, draws):
        pairs = list(batches(images, labels, len(labels), draws))
        slope = torch.cat([gradient_of_margin(predictor, x, y) for x, y in pairs]).nan_to_num(0, 0, 0).sign()
        chance = (2 * torch.randint(2, images.shape, generator=generator) - 1).to(images)
        margins = []
        for step in (-slope, chance):
            reseed(predictor, seed)  # both steps meet the same draws: the difference is the step's alone
            moved = torch.clamp(images + eps / 4 * step, *ball(images, eps, bounds))
            with torch.no_grad():
                own = [margin(predictor(x), y).double() for x, y in batches(moved, labels, len(labels), draws)]
            margins.append(torch.cat(own))
    gap = margins[0] - margins[1]
    error = gap.std().item() / len(gap) ** 0.5 if len(gap) > 1 else float("inf")  # one image says nothing
    return SanityCheck(
        "gradient_points_uphill",
        gap.mean().item() < -2 * error,
        f"A small step along the gradient lowers the margin by {-gap.mean().item():.3g} more than a random step "
        f"(standard error {error:.2g}).",
    )

"""95 % intervals of outcomes of attacks: boolean tensors (T,), True where an image stays right."""

from torch import Tensor

from localnoise.sims.results import statistics as intervals
from localnoise.sims.results.statistics import Estimate, over_seeds


def difference(first: Tensor, second: Tensor) -> Estimate:
    """Accuracy of `second` less that of `first` on the same images, paired."""
    return intervals.difference(first.cpu().numpy(), second.cpu().numpy())


def share(outcome: Tensor) -> Estimate:
    """Share of true outcomes, with Wilson's interval over the images."""
    return over_seeds([outcome.double().mean().item()], len(outcome))

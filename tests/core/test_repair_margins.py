"""Margins of a repair keep what is promised."""

import numpy as np
import pytest
import torch

from localnoise import nn as lnn
from localnoise.errors import ArgumentError
from localnoise.repair.calibration import FINE, least_margins

T = 400


def test_the_source_that_is_blamed_most_is_asked_for_more_until_few_are_blamed():
    """Source 1 harms three of ten inputs up to margins 1, 2 and 3, source 2 one of them whatever it is asked."""

    def blame(margins, whole):
        harmed = [1] * int(np.sum(margins[1] < [1, 2, 3])) + [2]
        return np.array(harmed + [FINE] * (10 - len(harmed)))

    margins = least_margins(blame, 3, most=0.2)
    assert margins[0] == margins[2] == 0
    assert 2 <= margins[1] < 2 * 1.25 + 0.5


def test_an_input_that_a_larger_margin_gives_to_another_source_is_found_at_last():
    """It was not repaired at first, and is not looked at again until all are."""
    asked = []

    def blame(margins, whole):
        asked.append(whole)
        moved = margins[1] > 0 and margins[2] < 1  # what source 1 no longer has, source 2 gets
        return np.array([1 if margins[1] == 0 else FINE, 2 if whole and moved else FINE])

    margins = least_margins(blame, 3, most=0.0)
    assert margins[1] > 0
    assert margins[2] >= 1
    assert asked[0]
    assert asked[-1]
    assert not all(asked)
    assert (blame(margins, True) == FINE).all()


def test_margins_that_never_suffice_are_refused():
    with pytest.raises(ArgumentError, match=r"most=0.1 of the inputs are changed .* even where none is repaired"):
        least_margins(lambda margins, whole: np.ones(5, int), 2, most=0.1)


@pytest.mark.parametrize("chunk", [500, 70])
def test_no_more_clean_decisions_change_than_is_allowed_behind_two_layers_that_decide(chunk):
    """Of all inputs, also those that a margin moved from one source to another."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    )
    x = torch.randn(2 * T, 6, generator=torch.Generator().manual_seed(0))
    kinds = {"dark": lambda x: 0.7 * x, "darker": lambda x: 0.6 * x, "turned": lambda x: x.flip(1)}
    repairs = lnn.learn_repairs(net, ["1", "3"], x[:T], kinds)
    repairs["3"].decide_among("turned")
    held = x[T:]
    for pairs in (None, [(kind(held), held) for kind in (lambda x: x, lambda x: 0.9 * x, *kinds.values())]):
        if pairs is None:
            lnn.calibrate_repairs(net, repairs, held, most=0.02, chunk=chunk)
        else:
            lnn.expect_worth(net, repairs, pairs, most=0.02)
        with torch.no_grad():
            changed = lnn.attach_repairs(net, repairs)(held).argmax(1) != net(held).argmax(1)
        assert changed.double().mean() <= 0.02
        assert repairs["1"].margins == repairs["3"].margins

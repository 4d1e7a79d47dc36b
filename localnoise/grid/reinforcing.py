"""A grid learns what its noise is good for: from rewards of its own draws."""

from typing import Any

import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.grid.holding import Holding
from localnoise.rules import Rule
from localnoise.rules.base import begun
from localnoise.rules.three_factor import broadcast, is_rewarded
from localnoise.streams import Progress, chunk_size, presentations, told
from localnoise.validate import as_presentations, is_iterator


class Reinforcing(Holding):
    """The part of a `UnitGrid` that learns from rewards."""

    def _reinforce(
        self, rule: Rule, eta: Any, h: Any, rewards: npt.ArrayLike | None, progress: Progress | None
    ) -> None:
        """Learn from draws and their rewards, as `Learning.learn` says; nothing is kept of them but the weights."""
        if not is_rewarded(rule):
            raise ArgumentError(
                f"rewards were given, and rule {rule.name!r} learns from displacements alone: expected none; or use "
                "rule='three-factor'"
            )
        if rewards is None or is_iterator(eta):
            found = "no rewards were given" if rewards is None else f"the draws are a {type(eta).__name__}"
            raise ArgumentError(
                f"rule {rule.name!r} learns from rewards of the grid's own draws, and {found}: expected an array of "
                f"draws and one number for each, learn(eta, rule={rule.name!r}, rewards=...)"
            )
        now = self._now()
        eta = as_presentations("eta", eta, *self._layout[:2])
        h, field = self._activation(h, eta), now.field.copy()
        said, at, state = broadcast(rewards, len(eta)), 0, begun(rule, field)
        size, many = chunk_size(*self._layout), field.wires.activations
        parts = presentations(eta, h, *self._layout, signal=field.signal, size=size, read=many)
        for own, read in told(parts, len(eta), progress):
            rule.reward(field, state, own, own[:, :, :0] if read is None else read, said[at : at + len(own)])
            at += len(own)
        rule.settle(field, state)
        vars(self).update(field=field, rule=rule, state=None, learned=field.wires, _open=None)

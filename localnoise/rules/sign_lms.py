"""Sign-sign least mean squares: additions and shifts only in the weight update; what a small chip can do."""

from dataclasses import dataclass
from typing import ClassVar

from localnoise.field import Field, Floats
from localnoise.rules.base import RULES, State, check_positive, check_ridge, own_numbers
from localnoise.rules.lms import averaging_state, settle_average, unit_rows


@RULES.register("sign-lms")
@dataclass(frozen=True, kw_only=True)
class SignLMS:
    """dW_u = step sign(e_u) sign(z_u)', weights saturating at +-limit, the step halving as presentations double.

    Its fixed point solves E[sign(e) sign(z)'] = 0: close to least squares, equal to it only for special laws of z
    (Dasgupta and Johnson 1986). No multiplier in the weight update; the residual's second moment has one product.

    Parameters
    ----------
    rate : float
        First step, in weight units.
    halving : int
        Presentations before the first halving.
    limit : float
        Saturation of the weights.
    memory, ridge : float
        As in `LMS`.
    """

    name: ClassVar[str] = "sign-lms"
    summary: ClassVar[str] = "Steps by signs alone, without a multiplication: what a small chip can do."
    rate: float = 2.0**-8
    halving: int = 1024
    limit: float = 2.0
    memory: float = 3.0
    ridge: float | str = 1e-4

    def __post_init__(self) -> None:
        for argument in ("rate", "halving", "limit"):
            check_positive(argument, getattr(self, argument))
        check_positive("memory", self.memory, zero=True)
        check_ridge(self.ridge)
        own_numbers(self)

    def start(self, field: Field) -> State:
        """Begin from the field's own weights.

        Parameters
        ----------
        field : Field
            As `Rule.start` takes it.

        Returns
        -------
        dict
            As that of `LMS`.
        """
        return averaging_state(field)

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> None:
        """Take one step a presentation, in the order given.

        Parameters
        ----------
        field, state, d, h
            As `Rule.observe` takes them.
        """
        from localnoise.kernels.learning import sign_lms

        arrays = (state["W"], state["W_mean"], state["residual"], state["power"])
        topology = (field.parents, field.readers, field.signal)
        limit = state["W"].dtype.type(self.limit)
        sign_lms(*arrays, d, h, *topology, state["seen"], self.rate, self.halving, limit, self.memory)
        state["seen"] += len(d)

    def statistics(self, field: Field, state: State, unit: int) -> State:
        """Return the unit's rows.

        Parameters
        ----------
        field, state, unit
            As `Rule.statistics` takes them.

        Returns
        -------
        dict
            Views, and `seen`.
        """
        return unit_rows(state, unit)

    def settle(self, field: Field, state: State) -> None:
        """Take over the averaged weights.

        Parameters
        ----------
        field, state
            As `Rule.settle` takes them.

        Raises
        ------
        ArgumentError
            The residual is singular, or overflows; the ridge is "auto", and nothing has chosen it.
        """
        settle_average(field, state, self.ridge)

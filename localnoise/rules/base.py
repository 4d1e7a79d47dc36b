"""The protocol that every local rule follows, their registry, and the step that they share: a residual's factor."""

from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from localnoise.dense import tolerance
from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats
from localnoise.registry import Registry
from localnoise.validate import check_positive as check_positive
from localnoise.validate import whole

State = dict[str, Any]
AUTO = "auto"  # a number that `UnitGrid.learn` chooses on held-out displacements
LARGE = 256  # regressors from which a factor of localnoise takes less time than the LU of NumPy


class Rule(Protocol):
    """A local learning rule: a configuration that never changes, and four methods that work on a state given to them.

    `UnitGrid.learn` calls `start` once, then `observe` for one chunk of presentations after the other, then `settle`;
    when learning goes on, `observe` and `settle` again, with the state as it was. How the presentations are cut into
    chunks must change nothing. A rule is local if a unit's rows of the state and of the weights depend on the
    displacements of the unit and its parents, and on the activations that it reads, alone; nobody can check that but
    by perturbation.

    A rule that is found by its name is a frozen dataclass whose fields are its options, all with a default. A grid's
    file holds them as JSON, so they are texts, Python's numbers, lists or None (`own_numbers`).

    Attributes
    ----------
    name : str
        Of the class: the name in `learn(d, rule=name)` and in files.
    ridge : float or "auto", optional
        Where a rule has one, `learn` warns if it is a good part of the noise. With "auto" `learn` chooses it: the state
        must not depend on it, `settle` alone.
    """

    name: ClassVar[str]

    def start(self, field: Field) -> State:
        """Return the state before the first presentation.

        Names, shapes and dtypes follow from the rule's options and the field's wires alone, since a file that holds
        the state is checked against what `start` returns.

        Parameters
        ----------
        field : Field
            Its weights may be read: learning goes on from them.

        Returns
        -------
        dict
            NumPy arrays, and `seen`, an int, 0.
        """

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> None:
        """Learn from displacements, in the order given; update `state`, its `seen` too, in place.

        Parameters
        ----------
        field : Field
            Not changed.
        state : dict
            As `start` returned it and `observe` left it.
        d : (T, m, N)
            Displacements, in the field's dtype; T may be 0.
        h : (T, m, N) with signal dependence, else (T, m, 0)
            The activations that were displaced, in the field's dtype.
        """

    def settle(self, field: Field, state: State) -> None:
        """Write the weights that the state implies into the field, as `field.assign(W, S)` does.

        W is (N, m, p) in the layout of `field.weights`: [a G B] with signal dependence, B without; S is (N, m, m),
        lower triangular with a positive diagonal (`residual_factor`).

        Parameters
        ----------
        field : Field
            Changed.
        state : dict
            Left as it is.

        Raises
        ------
        ArgumentError
            The state implies no weights, as with too few presentations: `learn` then leaves the grid as it was.
        """

    def statistics(self, field: Field, state: State, unit: int) -> State:
        """Return what the state holds of one unit, and `seen`.

        Parameters
        ----------
        field : Field
            Not changed.
        state : dict
            Not changed.
        unit : int
            u = y W + x.

        Returns
        -------
        dict
            Views or copies.
        """

    # merged(state, other) -> State, where a rule has it: the statistics of two parts of the displacements together,
    # whatever their order; `UnitGrid.merge` and learning of dask arrays ask for it.


def _fault(name: str, rule: Any) -> str:
    """Return why a class cannot be a rule that is found by this name, or ""."""
    if not (isinstance(rule, type) and is_dataclass(rule)):
        return "is no dataclass: expected a class under @dataclass(frozen=True, kw_only=True), its fields the options"
    said: Any = rule
    if said.name != name:
        return f"says name = {said.name!r}: expected name = {name!r}, which files will hold"
    return ""


RULES = Registry(
    "rule",
    Rule,
    group="localnoise.rules",
    home="localnoise.rules",
    first=("moments", "lms", "sign-lms", "three-factor"),
    check=_fault,
)
"""Learning rules by name: classes that follow `Rule`."""


def begun(rule: Rule, field: Field) -> State:
    """Return `rule.start(field)`, checked: what is not of the protocol would fail later, or in a file.

    Raises
    ------
    ArgumentError
        It is no dict with `seen`, or an entry is no array of numbers.
    """
    state: Any = rule.start(field)
    if not isinstance(state, dict) or whole(state.get("seen")) is None:
        found = "a dict without 'seen'" if isinstance(state, dict) else type(state).__name__
        raise ArgumentError(f"rule {rule.name!r}: start returned {found}: expected a dict of arrays and 'seen', 0")
    for name, value in state.items():
        number = isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.number)
        if name != "seen" and not (number and isinstance(name, str)):
            raise ArgumentError(
                f"rule {rule.name!r}: start returned {name!r} as {type(value).__name__}: expected an array of numbers"
            )
    return dict(state)


def options_of(rule: Any) -> dict[str, Any]:
    """Return the options that a registered rule was built with."""
    return {option.name: getattr(rule, option.name) for option in fields(rule) if option.init}


def check_ridge(value: float | str) -> None:
    """Raise an ArgumentError unless a ridge is a number >= 0, or "auto"."""
    if value != AUTO:
        check_positive("ridge", value, zero=True, what=f", or {AUTO!r}")


def chosen_ridge(value: float | str) -> float:
    """Return a ridge as a number, or raise an ArgumentError where nothing has chosen it yet."""
    if isinstance(value, str):
        raise ArgumentError(
            f"ridge={value!r}: expected a number here; UnitGrid.learn chooses one on held-out displacements"
        )
    return value


def own_numbers(rule: Any) -> None:
    """Make the options of a rule Python's own numbers, since files keep them as JSON."""
    for option in fields(rule):
        value = getattr(rule, option.name)
        if isinstance(value, (np.generic, np.ndarray)):
            object.__setattr__(rule, option.name, value.item())


def residual_factor(residual: Floats, power: Floats, ridge: float, dtype: Any) -> Floats:
    """Lower Cholesky factor S_u of each unit's residual second moment + ridge I. (N, m, m), cost O(N m^3).

    power : (N, m), the channels' own second moments;  dtype : the precision in which the moments were taken.

    Raises
    ------
    ArgumentError
        If the moments overflow, or a unit's residual is singular: a channel never moves, or moves exactly as its
        neighbors say, to within the rounding of `dtype`.
    """
    refuse_overflow(residual, dtype)
    symmetric = (residual + residual.transpose(0, 2, 1)) / 2 + ridge * np.eye(residual.shape[1])
    try:
        S = np.linalg.cholesky(symmetric)
    except np.linalg.LinAlgError:
        S = None
    if S is None or (ridge == 0 and (np.diagonal(S, axis1=1, axis2=2) ** 2 <= tolerance(dtype) * power).any()):
        smallest = np.linalg.eigvalsh(symmetric)[:, 0]
        unit = int(np.argmin(smallest))
        raise ArgumentError(
            f"ridge={ridge:g}: the second moment of unit {unit} (in row order) is singular (smallest eigenvalue "
            f"{smallest[unit]:.3g}); expected a positive definite residual; use a larger ridge, such as "
            f"{max(1e-4, 10 * ridge):g}, or more samples"
        )
    return S


def refuse_overflow(moments: Floats, dtype: Any) -> None:
    """Raise an ArgumentError if a second moment has left the range of `dtype`."""
    if not np.isfinite(moments).all():
        raise ArgumentError(
            f"d: its squares overflow {np.dtype(dtype)}: expected displacements and activations below "
            f"{np.sqrt(np.finfo(dtype).max):.0e}; rescale them"
        )


def solved(A: Floats, b: Floats, ridge: float, dtype: Any) -> Floats:
    """Return A^-1 b of some units, (N, p, m); A holds the ridge already.

    Raises
    ------
    ArgumentError
        Without a ridge, A is singular to within the rounding of `dtype`, in which the moments were taken.
    """
    scale = 1 / np.sqrt(np.diagonal(A, axis1=1, axis2=2))
    try:
        if ridge == 0 and np.linalg.eigvalsh(A * scale[:, :, None] * scale[:, None, :]).min() <= tolerance(dtype):
            raise np.linalg.LinAlgError
        return _solution(A, b)
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"ridge={ridge:g}: a unit's neighbors move in exact proportion, so their second moment is singular; "
            f"expected a larger ridge; use ridge={max(1e-4, 10 * ridge):g} or give more samples"
        ) from None


def _solution(A: Floats, b: Floats) -> Floats:
    """Return A^-1 b: from a few hundred regressors on by Cholesky factors, units side by side on all threads."""
    if b.shape[1] < LARGE:
        return np.linalg.solve(A, b)
    from localnoise.kernels.solving import solve

    out, definite = np.empty(b.shape), np.empty(len(b), np.uint8)
    solve(out, definite, A, b, parts=len(b))
    rest = definite == 0  # rounding left an eigenvalue below zero
    if rest.any():
        out[rest] = np.linalg.solve(A[rest], b[rest])
    return out

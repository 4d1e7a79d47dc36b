"""The repair layer: an ordinary torch module, differentiable through the ways back and the gate alike.

    y = h + sum_j w_j(h) (a_j + G_j h),   w_j ~ exp(beta l_j(h) / n + b_j)

All of it is products of tensors: it runs where the activation lies, in its precision, and autograd's gradients are
exact, so that an attacker who knows the repair is given them. A repair is no defense against attacks.
"""

import math
from typing import Any

import torch
from torch import Tensor

from localnoise.errors import ArgumentError, choose
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.repair_tensors import RepairTensors
from localnoise.nn.state import entry, packed, unpacked
from localnoise.repair import Repair


class RepairLayer(RepairTensors):
    """Repair each activation: (T, C, H, W), (T, C, L) on 1 x L units, (T, n), or as arranged.

    Parameters
    ----------
    repair : Repair
        Learned. Lessons after this are not seen: make a new layer, or set `layer.repair`.
    follows : RepairLayer or None
        The layer of an earlier repair in the same network, whose posterior is taken instead of a gate of its own; but
        for the sources between which the repair decides anew (`Repair.decide_among`).
    source : str or None
        What has happened, where that is known ("clean" switches the repair off); None: the gate decides.
    when : str
        "both", "train", "eval" or "never".
    arrangement : Arrangement or None
        How the activation lies on the grid, where its shape does not say it.

    Attributes
    ----------
    posterior : Tensor (T, 1 + sources) or None
        Of the last forward, clean first; a row of zeros where no repair was expected to pay.
    density : Tensor (T, members) or None
        Log densities per neuron in the last forward, where members were asked for them; without gradients.
    constant : bool
        Whether the gate's weights count as constants in gradients: an attacker's way around the gate.

    Examples
    --------
    >>> import localnoise as ln, torch
    >>> from localnoise import nn as lnn
    >>> h = torch.tanh(torch.randn(500, 2, 4, 4, generator=torch.Generator().manual_seed(0)))
    >>> layer = lnn.RepairLayer(ln.Repair(shape=(4, 4), channels=2, radius=0).learn("dark", 0.3 * h, h))
    >>> bool(((layer(0.3 * h[:9]) - h[:9]).abs() < 0.05).all())
    True
    """

    follows: "RepairLayer | None"
    constant = False

    def __init__(
        self,
        repair: Repair,
        follows: "RepairLayer | None" = None,
        *,
        source: str | None = None,
        when: str = "both",
        arrangement: Arrangement | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(repair, Repair):
            raise ArgumentError(f"repair is {type(repair).__name__}: expected a localnoise.Repair that has learned")
        if follows is not None and not isinstance(follows, RepairLayer):
            raise ArgumentError(f"follows is {type(follows).__name__}: expected another RepairLayer of the network")
        self.when = choose("when", when, ("both", "train", "eval", "never"))
        self.arrangement = arrangement
        object.__setattr__(self, "follows", follows)  # a module of the network already: no second parent
        self.posterior: Tensor | None = None
        self.density: Tensor | None = None
        self.repair = repair
        self.source = source

    @property
    def repair(self) -> Repair:
        """The repair that was given, which may have learned since: what is made is as it was then.

        Another one, or the same, may be set, and is taken as it is now. A `state_dict` holds the repair that is made.
        """
        return self._given

    @repair.setter
    def repair(self, repair: Repair) -> None:
        repair._refuse_empty()
        if self.follows is not None and self.follows._names != repair.sources:
            raise ArgumentError(
                f"repair knows {', '.join(repair.sources)}: expected the sources of the layer that it follows, "
                f"{', '.join(self.follows._names)}; learn them in the same order"
            )
        said = getattr(self, "_source", None)
        if said is not None:
            choose("source", said, repair.sources)
        self._take(repair)

    @property
    def source(self) -> str | None:
        """The source that is taken for granted, or None."""
        return self._source

    @source.setter
    def source(self, source: str | None) -> None:
        self._source = None if source is None else choose("source", source, self._names)

    @property
    def decides(self) -> bool:
        """Return whether the layer has a say in what happened: later ones follow the last that has."""
        return self.follows is None or bool(self._repair.among)

    @property
    def active(self) -> bool:
        """Return whether the layer repairs in its present mode."""
        return self.when == "both" or self.when == ("train" if self.training else "eval")

    def forward(self, h: Tensor) -> Tensor:
        """Return the repaired activation; `posterior` and `density` say what the layer took for it.

        Parameters
        ----------
        h : Tensor, (T, C, H, W), (T, C, L), (T, n) or as arranged
            Activations, of any floating dtype.

        Returns
        -------
        Tensor
            Like h; h itself where the layer is off.

        Raises
        ------
        ArgumentError
            Another shape than the repair was learned for, no floating dtype, or the layer that it follows has not run.
        """
        if not self.active:
            self.posterior = self.density = None
            return h
        lies = self._lies(h)
        if not h.is_floating_point():
            raise ArgumentError(f"h has dtype {h.dtype}: expected a floating dtype; use h.float()")
        x = lies.folded(h)
        flat = x.flatten(2).transpose(1, 2).to(self._law.dtype)  # (T, N, m)
        change = self._change(flat, self._weights(flat))
        return lies.added(h, change.transpose(1, 2).reshape(x.shape).to(h.dtype))

    def _weights(self, x: Tensor) -> Tensor:
        """Return the members' weights (T, J), and remember the sources'."""
        known: Tensor | None = None
        if self._source is not None:
            known = x.new_zeros(len(x), len(self._names))
            known[:, self._names.index(self._source)] = 1
        elif self.follows is not None:
            known = self.follows.posterior
            if known is None or len(known) != len(x):
                raise ArgumentError(
                    "follows has no posterior for this batch: expected the layer that it follows to run before, in the "
                    "same forward"
                )
        several, anew = len(self._own) != len(self._names), self.decides and known is not None and self._source is None
        if known is not None and not several and not anew:
            w, self.density = known[:, self._column], None
        else:
            density = self._densities(x)
            self.density = density.detach()
            if known is None:
                w = self._worthwhile(self._gated(density, ""), density)
            else:
                q = self._scale * density + self._bias
                parts = [torch.softmax(q[:, where], 1) * known[:, [index]] for index, where in enumerate(self._where)]
                w = torch.cat(parts, 1)[:, self._back_to]
            if known is not None and anew:
                whole = known[:, self._among_names].sum(1, keepdim=True)
                w = w.index_copy(1, self._among, whole * self._gated(density[:, self._among], "_among"))
                w = self._worthwhile(w, density, self._among_names)
        if self.constant:
            w = w.detach()
        sums = [w[:, where].sum(1) for where in self._where]
        self.posterior = torch.stack(sums, 1)
        return w

    def _replicate_for_data_parallel(self) -> "RepairLayer":
        """Return a replica on another device; refused where it would follow the layer of this one."""
        if self.follows is not None:
            raise ArgumentError(
                "DataParallel: its replicas of this RepairLayer would follow the layer of another replica (follows=): "
                "expected one device, or torch.nn.parallel.DistributedDataParallel"
            )
        replica: RepairLayer = super()._replicate_for_data_parallel()  # type: ignore[no-untyped-call]  # torch's own
        return replica

    def __getstate__(self) -> dict[str, Any]:
        """Copy or pickle: what the last forward found stays behind, which belongs to a graph."""
        return self.__dict__ | {"posterior": None, "density": None}

    def _lies(self, h: Tensor) -> Arrangement:
        c = self._repair.config
        layout = (c.channels, *c.shape)
        given = self.arrangement or Arrangement.remembered(self._repair)
        ways = [given, Arrangement(kind="channels-first", layout=layout), Arrangement(kind="dense", layout=layout)]
        found = next((way for way in ways if way is not None and h.ndim > 1 and way.fits(h)), None)
        if found is None:
            raise ArgumentError(
                f"h has shape {tuple(h.shape)}: expected (T, {', '.join(map(str, layout))}) or (T, {math.prod(layout)})"
                ", as the repair was learned; for tokens or channels last say so: RepairLayer(repair, arrangement=...)"
            )
        return found

    def extra_repr(self) -> str:
        """Return what `print(model)` shows.

        Returns
        -------
        str
            The repair, when it is on, and the source.
        """
        return f"{self._repair!r}, when={self.when!r}, source={self._source!r}"

    def get_extra_state(self) -> dict[str, Any]:
        """Return what the `state_dict` holds.

        Returns
        -------
        dict
            `repair`, as it is made, packed into tensors.
        """
        return {"repair": packed(self._repair)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take a repair from a `state_dict`.

        Parameters
        ----------
        state : dict
            As `get_extra_state` returned it.

        Raises
        ------
        ArgumentError
            The state is none of a RepairLayer, or damaged; the repair is of another layout.
        """
        found = unpacked(entry(state, "repair"))
        if not isinstance(found, Repair):
            raise ArgumentError(f"state_dict holds a {type(found).__name__}: expected a Repair, as this layer's")
        own, other = self._repair.config, found.config
        if (own.channels, own.shape) != (other.channels, other.shape):
            raise ArgumentError(
                f"state_dict holds a repair of {other.channels} x {other.shape}: expected "
                f"{own.channels} x {own.shape}, as this layer's"
            )
        self.repair = found

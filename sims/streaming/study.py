"""One seed's methods on one stream: hyperparameters chosen on a held-out training stream, then the stream, once."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from localnoise.errors import ArgumentError
from localnoise.files import temporary_folder
from localnoise.sims.data.samples import Data
from localnoise.sims.defenses import Repairing
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models.training import BACKPROP, answered
from localnoise.sims.results.plain import plain
from localnoise.sims.runtime.stage import Stage, ticker
from localnoise.sims.streaming.arms import ARMS, NOTHING, StreamArm
from localnoise.sims.streaming.frames import CHUNK, Frames
from localnoise.sims.streaming.method import Method
from localnoise.sims.streaming.norms import has_norm
from localnoise.sims.streaming.schedule import StreamPlan, drawn
from localnoise.sims.streaming.workshop import HELD, TEST, Workshop, stream_seed

_CLOCKED = 100  # images, or batches' images, by which the time is measured
_frames: "OrderedDict[Any, Frames]" = OrderedDict()
_SHARED = 2  # streams whose images a process keeps, in files


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """The parts that all methods of an experiment share.

    Attributes
    ----------
    settings : Settings
        Of the network.
    sources : tuple of Source
        What repairs learn.
    plan : StreamPlan
    strengths : str
        At which levels repairs learn: "mixed" or "strongest".
    tuned : int
        Images of the held-out stream on which hyperparameters are chosen; what happens there lasts as long as on the
        stream itself.
    repairing : Repairing
        How activations are repaired.
    """

    settings: Settings
    sources: tuple[Source, ...]
    plan: StreamPlan
    strengths: str
    tuned: int
    repairing: Repairing = field(default_factory=Repairing)

    def config(self, seed: int, arm: StreamArm) -> dict[str, Any]:
        """Everything that a result depends on: its key in the records."""
        s = self.settings
        said = {
            "experiment": "stream",
            "method": arm.name,
            "seed": seed,
            "data": s.data,
            "fingerprint": s.fingerprint,
            "network": s.network,
            "activation": s.activation,
            "layer": s.layer,
            "base_epochs": s.base_epochs,
            "stream": plain(self.plan),
            "tuned": self.tuned,
            "candidates": [plain(arm.candidates), arm.base],
            "revision": arm.revision,
        }
        said |= {} if s.training == BACKPROP else {"training": s.training}  # which earlier records do not say
        learns = arm.before != NOTHING
        return said | (self._lesson if learns else {})

    @property
    def _lesson(self) -> dict[str, Any]:
        return {"sources": plain(self.sources), "strengths": self.strengths, "repair": self.repairing.name}


@dataclass
class StreamStudy:
    """One seed's network, and what becomes of it on a stream.

    Attributes
    ----------
    own : StreamSettings
        Its `settings` name the network.
    seed : int
    data : Data
    folder : Path
        Where trained networks are kept.
    stage : callable
        Called with what is being done, and how far it is.
    """

    own: StreamSettings
    seed: int
    data: Data
    folder: Path
    stage: Stage = lambda what, done, of: None
    _chosen: dict[str, dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def bench(self) -> Testbed:
        """Return the network and its images; the network may yet have to be trained."""
        s = self.own.settings
        made = (s.network, s.activation, s.layer, s.training)
        return Testbed(self.data, self.seed, s.base_epochs, s.attack, s.attacked_train, self.folder, *made)

    def train(self) -> Path:
        """Train the network, unless it is kept; returns its file."""
        count = self.own.settings.base_epochs * self.data.count
        self.bench.train_base(ticker(self.stage, f"train {self.bench.name}", count))
        return self.bench.base_path

    @cached_property
    def shop(self) -> Workshop:
        """The parts that methods are made of."""
        own = self.own
        return Workshop(self.bench, own.sources, own.strengths, own.plan.weakest, own.repairing, self.stage)

    def run(self, arm: StreamArm) -> dict[str, Any]:
        """Choose the arm's hyperparameters, give it the stream, and return values for the record."""
        self.train()
        options = self.chosen(arm)
        frames = self._stream(TEST)
        method = arm.build(self.shop, options)
        correct = self._correct(method, frames, f"{arm.label}: stream")
        seconds = self._clocked(arm, method, frames)
        schedule = frames.schedule
        return {
            "accuracy.stream": float(correct.mean()),
            "correct.stream": correct,
            "stream.starts": schedule.starts,
            "stream.names": ",".join(schedule.names),
            "stream.levels": schedule.level[:: max(len(correct) // 4000, 1)],
            "state_bytes": method.state_bytes,
            "parameter_bytes": method.parameter_bytes,
            "gradient_bytes": method.gradient_bytes,
            "seconds_per_image": seconds,
            **{f"chosen.{name}": value for name, value in options.items()},
            **self._learned_of(method),
        }

    def chosen(self, arm: StreamArm) -> dict[str, Any]:
        """Return the options of an arm: those of its base, and of its candidates the best on the held-out stream."""
        if arm.name not in self._chosen:
            base = self.chosen(ARMS[arm.base]) if arm.base else {}
            options = [base | candidate for candidate in arm.candidates]
            best = options[0]
            if len(options) > 1:
                frames = self._stream(HELD)
                worth = []
                for index, one in enumerate(options):
                    said = f"{arm.label}: choose, {index + 1} of {len(options)}"
                    worth.append(float(self._correct(arm.build(self.shop, one), frames, said).mean()))
                best = options[int(np.argmax(worth))]
            self._chosen[arm.name] = best
        return self._chosen[arm.name]

    def _stream(self, part: int) -> Frames:
        """Return the images of the stream, or of the one of held-out training inputs."""
        plan, held = self.own.plan, part == HELD
        pool = self.shop.held() if held else self.bench.test
        what = "held-out stream" if held else "stream"
        if held:
            plan = replace(plan, length=self.own.tuned)
        if not len(pool[1]):
            raise ArgumentError("no training inputs are left to choose on: expected at least 10; give more data")
        key = (self.data.fingerprint, plan, part, self.seed)
        if key not in _frames:
            while len(_frames) >= _SHARED:
                _frames.popitem(last=False)
            schedule = drawn(plan, stream_seed(self.seed, part), len(pool[1]))
            own = stream_seed(self.seed, part)
            with temporary_folder() as folder:  # the file lives as long as it is mapped
                bounds = self.bench.task.bounds
                _frames[key] = Frames(pool, bounds, schedule, own, folder / "frames.bin", self.stage, what)
        _frames.move_to_end(key)
        return _frames[key]

    def _correct(self, method: Method, frames: Frames, what: str) -> npt.NDArray[np.uint8]:
        """1 where the method is right, (T,) uint8, image by image in order."""
        tick, found = ticker(self.stage, what, len(frames)), []
        with torch.no_grad():
            for x, y in frames:
                found.append(answered(method(x), y).byte().numpy())
                tick(len(y))
        return np.concatenate(found)

    def _clocked(self, arm: StreamArm, method: Method, frames: Frames) -> float:
        """Seconds of one thread an image takes where images come in the arm's batches; the median."""
        took = []
        with torch.no_grad():
            for first in range(0, min(len(frames), _CLOCKED * arm.batch, 2 * CHUNK), arm.batch):
                x = frames.at(slice(first, first + arm.batch))
                began = thread_time()
                method(x)
                took.append((thread_time() - began) / len(x))
        return float(np.median(took))

    @staticmethod
    def _learned_of(method: Any) -> dict[str, Any]:
        learner = getattr(method, "learner", None)
        return {} if learner is None else {"lessons": learner.lessons}


def check_norm(network: Any, name: str) -> None:
    """Refuse a network that has no batch normalisation.

    Raises
    ------
    ArgumentError
        It has none.
    """
    if not has_norm(network.front) and not has_norm(network.back):
        raise ArgumentError(
            f"task={name!r}: its network has no batch normalisation, which bn, tent and rdumb adapt; expected one that "
            "has, or --defenses of none, repair, repair-filtered, repair-adapting, repair-temporal, temporal"
        )

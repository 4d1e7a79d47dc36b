"""Tasks of one's own: every experiment runs on them; what they are made of, and how networks are cut."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from own_tasks import COMMON, FILE, SPENT, net, own, some
from torch import Tensor, nn

from localnoise.errors import ArgumentError, MixedRecordsError
from localnoise.nn import Arrangement
from localnoise.sims import bits, compare, tradeoff, transfer, wires
from localnoise.sims import repair as repairing
from localnoise.sims import retention as retaining
from localnoise.sims import tasks as found_tasks
from localnoise.sims.data.samples import Samples
from localnoise.sims.experiments import testbed
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.conduct import NAME
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.worker import held_out
from localnoise.sims.perturbations import MODIFICATIONS, Modification, apply
from localnoise.sims.results.records import RecordFile
from localnoise.sims.tasks import mounted
from localnoise.sims.tools import fit
from localnoise.sims.tools.remade import remade


@pytest.fixture(autouse=True)
def _unmounted() -> Any:
    yield
    MODIFICATIONS.mount({})


def test_every_command_runs_on_a_task_and_its_records_make_the_report_again(
    file: Path, tmp_path: Path, in_threads: None
) -> None:
    mine, out = str(file), tmp_path / "out"
    arms = "none,full,multiscale-2,signal-4,augmentation,augmentation-whole,wca"
    compare.compare(arms=arms, threats="dark,hiss@0.3,pgd@0.2", task=mine, out=out / "compare", **SPENT)
    transfer.transfer(arms="multiscale-2", task=mine, out=out / "transfer", **SPENT)
    tradeoff.tradeoff(source="hiss", arms="none,multiscale-2", traces="0.5", task=mine, out=out / "tradeoff", **SPENT)
    bits.bits(weight_bits="8", word_bits="8", task=mine, out=out / "bits", **SPENT)
    wires.wires(fan_in="2", task=mine, out=out / "wires", **SPENT)
    retaining.retention(
        data="full", seeds=1, arms="none,full,multiscale-2", mixed="", task=mine, out=out / "retention", **COMMON
    )
    how: dict[str, Any] = COMMON | {"spend": "quick", "seeds": 1}
    repairing.repair(sources="dark", task=mine, retrained=True, out=out / "repair", **how)
    fit.fit(output=out / "grid.h5", task=mine, parents=2, epochs=1, cache=out / "networks")
    MODIFICATIONS.mount({})  # reports are of records alone
    for command in ("compare", "transfer", "tradeoff", "bits", "wires", "retention", "repair"):
        report, records = remade(out / command / NAME)
        assert report.name == command
        assert records
        assert {record.config["network"] for record in records} == {"mine"}
        assert {record.config["data"] for record in records} == {"task"}
    tested = {t["name"] for record in RecordFile(out / "transfer" / NAME) for t in record.config["threats"]}
    assert tested == {"clean", "dark", "hiss"}
    assert "| hiss@1 |" in (out / "repair" / "table.md").read_text()  # never learned


def test_how_loud_the_noise_is_on_a_layer_of_ones_own_is_said(
    file: Path, tmp_path: Path, in_threads: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    compare.compare(arms="none,diagonal,signal-4", threats="dark", task=str(file), out=out, **SPENT)
    assert (said := (out / "table.md").read_text()).count("times the layer's own; `localnoise tradeoff --task") == 1
    found = {row.config["arm"]: row.results.get("noise.of_layer") for row in RecordFile(out / NAME)}
    task, weights = mounted(str(file)), torch.load(next(out.glob("*.pt")), weights_only=True)
    network = task.network(0)
    network.restore(weights)
    with torch.no_grad():
        h = network.front.eval()(task.data("task").pair("train")[0])
    ratio = 0.5 / float(h.var(dim=0, correction=0).mean())
    assert found == {"none": None, "diagonal": pytest.approx(ratio, rel=1e-4), "signal-4": None}
    assert f"per neuron is {ratio:.2g} times" in said
    capsys.readouterr()
    fit.fit(output=tmp_path / "grid.h5", source="dark", task=str(file), parents=2, epochs=1, cache=out)
    said = " ".join(capsys.readouterr().out.split())  # of a network that was trained for less long
    assert said.count("times the layer's own; `localnoise tradeoff --task ...` shows other variances.") == 1


def test_a_changed_task_is_another_one(file: Path, tmp_path: Path, in_threads: None) -> None:
    how = {"arms": "none", "threats": "dark", "task": str(file), "out": tmp_path / "out", **SPENT}
    compare.compare(**how)
    before = Chosen.of(str(file)).settings("full", None)["fingerprint"]
    file.write_text(FILE.replace("level=0.5", "level=0.25"))
    assert Chosen.of(str(file)).settings("full", None)["fingerprint"] != before
    with pytest.raises(MixedRecordsError, match="holds records of data"):
        compare.compare(**how)


def test_networks_of_the_paper_stand_on_the_same_footing() -> None:
    listed = list(found_tasks.TASKS)
    assert {"v1", "v2", "v3", "watch"} <= set(listed)
    chosen = Chosen.of("v3", "relu", "3")
    assert chosen.fields("embedded") == {"data": "embedded", "network": "v3", "activation": "relu", "layer": 3}
    assert chosen.task.network(0, "relu", 3).layout == (1, 1, 32)


def test_a_cut_network_is_the_whole_one_also_for_other_batches_and_in_training(file: Path) -> None:
    task = mounted(str(file))
    network, again, other = task.network(3), task.network(3), task.network(4)
    x = task.data("task").pair("test")[0]
    network.front.eval(), network.back.eval(), again.front.eval(), again.back.eval()
    assert network.layout == (4, 1, 16)
    assert torch.equal(network(x), again(x))
    assert not torch.equal(network.front(x[:2]), other.front.eval()(x[:2]))
    h = network.front(x[:2])
    assert torch.equal(network.back(h.repeat_interleave(5, 0))[::5], network.back(h))
    network.back.train()
    assert not torch.equal(network.back(h), network.back(h))  # its dropout knows its mode
    fresh = network.fresh_back(3).eval()
    assert torch.equal(fresh(h), again.back(h))


def test_statistics_of_batch_norm_are_kept_with_the_weights(file: Path, tmp_path: Path) -> None:
    task = mounted(str(file))
    first = testbed.Testbed(task.data("task"), 0, 2, None, 10, tmp_path, "mine", layer="act")  # type: ignore[arg-type]
    x = first.test[0]
    logits = first.network(x)
    again = testbed.Testbed(task.data("task"), 0, 2, None, 10, tmp_path, "mine", layer="act")  # type: ignore[arg-type]
    assert torch.equal(again.network(x), logits)
    norm = next(m for m in again.network.front.modules() if isinstance(m, nn.BatchNorm1d))
    assert norm.num_batches_tracked == 4
    assert not norm.training


def test_weights_fit_the_network_wherever_it_is_cut(file: Path) -> None:
    task = mounted(str(file))
    early, late = task.network(0, layer="conv"), task.network(1, layer="act")
    early.restore(late.state())
    for one in (early, late):
        one.back.eval()
    x = task.data("task").pair("test")[0]
    assert torch.equal(early(x), late(x))
    state = late.state()
    with pytest.raises(ArgumentError, match=r"rest.2.bias of shape \(3,\) here is missing there"):
        early.restore(state | {"back": {k: v for k, v in state["back"].items() if k != "rest.2.bias"}})
    with pytest.raises(ArgumentError, match=r"odd of shape \(2,\) there is missing here"):
        early.restore(state | {"back": state["back"] | {"odd": torch.zeros(2)}})


def test_trained_weights_are_left_as_they_are_and_later_layers_drawn_anew(tmp_path: Path) -> None:
    torch.manual_seed(5)
    held = net()
    task = own(model=lambda: held, trained=True)
    network = task.network(0)
    x = some()[0]
    assert torch.equal(network(x), held(x))
    kept = held[2].weight.clone()
    fresh = [network.fresh_back(seed) for seed in (1, 1, 2)]
    h = network.front(x)
    assert not torch.equal(fresh[0](h), fresh[2](h))
    assert task.trained
    assert torch.equal(kept, held[2].weight)


def test_each_input_meets_a_draw_of_its_own_whatever_batch_it_comes_in(file: Path) -> None:
    x = mounted(str(file)).data("task").pair("test")[0]
    whole = apply("hiss", x, None, seed=4)
    assert torch.equal(apply("hiss", x[10:20], None, 4, start=10), whole[10:20])
    assert torch.equal(apply("hiss", x[:7], None, 4), whole[:7])
    assert not torch.equal(apply("hiss", x, None, 5), whole)
    weak = apply("hiss", x, 0.5, 4)
    torch.testing.assert_close(weak - x, (whole - x) / 2)  # levels of a seed share their draws
    assert torch.equal(apply("dark", x, 0.25, 0), x * 0.25)


def test_a_tasks_perturbation_hides_another_of_its_name_while_it_is_mounted() -> None:
    MODIFICATIONS.mount(own(perturbations={"rotate": lambda x: 1 - x}).own)
    x = some()[0]
    assert torch.equal(apply("rotate", x, None, 0), 1 - x)
    assert not MODIFICATIONS.is_ours("rotate")
    MODIFICATIONS.mount({})
    with pytest.raises(ArgumentError, match=r"expected \(N, 1, 28, 28\), which 'rotate' is made for"):
        apply("rotate", x, None, 0)


def test_what_is_made_for_other_inputs_is_refused_before_anything_is_trained(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    message = r"inputs of the task: of shape \(2, 2, 16\), expected \(N, 1, 28, 28\), which 'rotate' is made for"
    with pytest.raises(ArgumentError, match=message):
        compare.compare(arms="none,full", threats="dark,rotate", task=str(file), out=out, **SPENT)
    with pytest.raises(ArgumentError, match=message):
        fit.fit(output=tmp_path / "grid.h5", source="rotate", task=str(file), cache=out)
    assert not list(tmp_path.rglob("*.pt"))
    assert not (out / NAME).exists()


def test_a_plug_ins_perturbation_takes_any_shape_unless_it_says_which() -> None:
    def halved(inputs: Tensor, level: float, words: object) -> Tensor:
        return inputs * (1 - level / 2)

    said: dict[str, Any] = {"function": halved, "words": 0, "level": 1.0, "lowest": 0.0, "highest": 1.0}
    said |= {"unit": "half", "description": "Half."}
    any_shape = Modification(name="halved", **said)
    MODIFICATIONS.mount({"halved": any_shape, "halved-28": Modification(name="halved-28", shape=(1, 28, 28), **said)})
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(apply("halved", x, None, 0), x / 2)
    assert torch.equal(apply("halved", some()[0], None, 0), some()[0] / 2)
    with pytest.raises(ArgumentError, match="which 'halved-28' is made for"):
        apply("halved-28", x, None, 0)


def test_two_tasks_on_two_threads_do_not_meet() -> None:
    """A worker may run jobs on several threads, and two tasks may call different things by one name."""
    x, both_mounted = some()[0], Barrier(2, timeout=60)

    def job(share: float, only: str) -> tuple[bool, set[str], bool]:
        MODIFICATIONS.mount(own(perturbations={"dark": lambda x: share * x, only: lambda x: 1 - x}).own)
        both_mounted.wait()
        found = torch.equal(apply("dark", x, None, 0), share * x)
        names = {"first", "second"} & set(MODIFICATIONS)
        both_mounted.wait()
        return found, names, MODIFICATIONS["dark"].level == 1

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(job, (0.5, 0.25), ("first", "second")))
        assert answers == [(True, {"first"}, True), (True, {"second"}, True)]
    assert "dark" not in MODIFICATIONS, "nor do they reach the thread that started them"


def test_results_are_kept_to_the_bounds() -> None:
    MODIFICATIONS.mount(own(perturbations={"bright": lambda x: x + 0.5}).own)
    assert apply("bright", some()[0], None, 0).max() == 1


def test_held_out_inputs_are_training_inputs(file: Path) -> None:
    mounted(str(file))
    settings = Settings(data="task", fingerprint="", network="mine", layer="act")
    whole, held = held_out(settings, 0, None), held_out(settings, 30, None)
    rows = {row.numpy().tobytes() for row in whole.pair("train")[0]}
    parts = [{row.numpy().tobytes() for row in held.pair(part)[0]} for part in ("train", "test")]
    assert parts[0] | parts[1] == rows
    assert not parts[0] & parts[1]
    assert len(parts[1]) == 30
    assert held.fingerprint != whole.fingerprint


def test_a_function_of_the_seed_gives_each_seed_its_own_split() -> None:
    task = own(train=lambda seed: some(9 + seed), test=lambda seed: some(5))
    assert [task.data(seed=seed).count for seed in (0, 1)] == [9, 10]


def test_a_data_set_of_pairs_is_read_item_by_item() -> None:
    x, y = some()
    pairs = [(one, int(label)) for one, label in zip(x, y, strict=True)]
    read, given = Samples.of(pairs, pairs, "", "", None), Samples.of((x, y), (x.numpy(), y.numpy()), "", "", None)
    assert torch.equal(read.train[0], x)
    assert torch.equal(read.train[1], y)
    assert given.fingerprint == read.fingerprint


@pytest.mark.parametrize(
    ("kind", "shape", "skipped", "layout"),
    [
        (None, (7, 3, 4, 5), 0, (3, 4, 5)),
        (None, (7, 3, 5), 0, (3, 1, 5)),
        (None, (7, 11), 0, (1, 1, 11)),
        ("channels-last", (7, 4, 5, 3), 0, (3, 4, 5)),
        ("channels-last", (7, 5, 3), 0, (3, 1, 5)),
        ("tokens", (7, 17, 6), 1, (6, 4, 4)),
        ("tokens", (7, 5, 6), 0, (6, 1, 5)),
    ],
)
def test_an_arrangement_goes_there_and_back(kind: str | None, shape: Any, skipped: int, layout: Any) -> None:
    h = torch.arange(float(np.prod(shape))).view(shape)
    lies = Arrangement.of(h, kind, skipped=skipped)
    assert lies.layout == layout
    folded = lies.folded(h)
    assert tuple(folded.shape[1:]) == layout
    back = lies.added(h, -folded)
    assert torch.equal(back[:, skipped:] if skipped else back, torch.zeros_like(h[:, skipped:] if skipped else h))
    if skipped:
        assert torch.equal(back[:, :skipped], h[:, :skipped])


def test_an_arrangement_of_a_grid_has_neighbors_where_the_image_has_them() -> None:
    h = torch.zeros(1, 17, 2)
    h[0, 1 + 6, 1] = 1  # token 6 of 4 x 4: row 1, column 2
    assert Arrangement.of(h, "tokens", skipped=1).folded(h)[0, 1, 1, 2] == 1

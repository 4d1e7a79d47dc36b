"""Export a chip grid or a network: a folder with all that is needed to build it, to run it, and to check it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from localnoise.files import as_folder, refuse_inputs
from localnoise.hardware import load_chips
from localnoise.hardware.export import check_network_export
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.export.folder import replaceable
from localnoise.hardware.export.naming import USUAL
from localnoise.hardware.fitting.network import program_profile
from localnoise.hardware.learners import RULES
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import command, console
from localnoise.sims.runtime.options import Epochs, PresetName, Training, one_of
from localnoise.sims.tools.asked_network import Asked
from localnoise.sims.tools.exported_artefact import asked_learner, costs_of_selftest, options_of, write


@commands.register("export", "Chip", "Export a chip grid as C99, Verilog, JSON, HDF5 or NIR; a network as C99.")
def export(
    file: Annotated[
        Path,
        typer.Argument(
            help="Chip grid, bank of them, or repair, that `localnoise quantise` wrote; or a task, by name or as "
            "my_task.py: its whole network."
        ),
    ],
    output: Annotated[Path, typer.Option("--out", help="Folder to write: new, or empty.")] = Path("build"),
    kind: Annotated[str, one_of(EXPORTERS, "--format", help="What to write.")] = "c99",
    chip: Annotated[
        str, typer.Option(help="Chip that it must fit: a name of `list chips`, or your TOML file.")
    ] = "ideal",
    seed: Annotated[
        int | None,
        typer.Option(help="Stream that the artefact draws after every start. Default: 0, or the network file's own."),
    ] = None,
    learner: Annotated[str, one_of(RULES, help="Add learning on the chip, by this rule.")] = "",
    rate: Annotated[
        int | None, typer.Option(help="The learner's first step, 2^-rate. Default: 1; of three-factor 8.")
    ] = None,
    selftest: Annotated[
        int,
        typer.Option(
            help="C99: add a self-test, ln_selftest, that judges a unit from so many draws, 256 to 65,536; 0: none. At "
            "most 1 % of sound devices fail it."
        ),
    ] = 0,
    engines: Annotated[int, typer.Option(help="Verilog: units that are drawn at the same time.")] = 1,
    load_weights: Annotated[
        bool, typer.Option("--load-weights", help="Verilog: weights come in through a port, for single-port RAM.")
    ] = False,
    name: Annotated[
        str,
        typer.Option(
            help="C99 and Verilog: what names of files, functions, macros and modules begin with. By default files and "
            "modules with localnoise, C's functions and macros with ln_ and LN_.",
            show_default=False,
        ),
    ] = USUAL,
    weights: Annotated[
        Path | None,
        typer.Option(help="A task's network: FILE.pt of trained weights, as experiments keep them in their folder."),
    ] = None,
    layer: Annotated[str, typer.Option(help="A task's network: layer of the defense. Default: the task's.")] = "",
    defense: Annotated[
        str,
        typer.Option(
            help="A task's network: none; a name of `list defenses`, such as multiscale-8, raster-1, signal-8, bank-8, "
            "repair or repair-8, learned here from the training data; or the file of a chip grid, bank or repair."
        ),
    ] = "none",
    sources: Annotated[
        str,
        typer.Option(
            "--train",
            help="A task's network: NAME@LEVEL,... that a defense learns from. Default: pgd for noise that is drawn "
            "at test; else the task's own perturbations, of v1, v2, v3 contrast, brightness and gaussian_noise.",
            show_default=False,
        ),
    ] = "",
    spend: PresetName = "standard",
    epochs: Epochs = None,
    training: Training = "backprop",
    cache: Annotated[
        Path | None,
        typer.Option(help="A task's network: folder where it is kept when it was trained here, and found again."),
    ] = None,
    draws: Annotated[int | None, typer.Option(help="A task's network: draws of noise an input. Default: 10.")] = None,
    vote: Annotated[bool, typer.Option("--vote", help="A task's network: draws vote, logits are not added.")] = False,
    weight_bits: Annotated[int, typer.Option(help="A task's network: 2 to 8.")] = 8,
    activation_bits: Annotated[int, typer.Option(help="A task's network: of words between layers, 4 to 12.")] = 8,
    data: Annotated[str, one_of(("embedded", "full"), help="A task's network: of which inputs.")] = "full",
    test_images: Annotated[int, typer.Option(help="A task's network: test inputs to measure it on; 0: none.")] = 1000,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an artefact that is there; other files in the folder stay.")
    ] = False,
) -> None:
    """Export a chip grid or a whole network, with all that is needed to check it.

    A chip grid: C99 for microcontrollers, which draws, learns and scores; Verilog for FPGAs, which draws.

    For a toolchain of your own: its configuration, unit by unit, as JSON, HDF5 or NIR. A bank goes to every format, a
    grid with share or rank to C99, JSON and HDF5, a repair to C99.

    A task's whole network, with or without noise or a repair behind one of its layers, goes to C99: calibrated on its
    training inputs, measured on its test inputs, held against the chip's flash and RAM. A defense by name is learned as
    `compare` does it; a network without --weights is trained first.

    An artefact draws the same noise after every start: C begins another stream by ln_seed, Verilog by another --seed.

    Examples
    --------
        localnoise export chip.h5 --chip stm32f407 --out build

        localnoise export chip.h5 --learner sign-lms --seed 7 --out build --force

        localnoise export chip.h5 --learner three-factor --out build

        localnoise export chip.h5 --selftest 4096 --out build

        localnoise export chip.h5 --chip ice40up5k --format verilog --load-weights --out rtl

        localnoise export chip.h5 --name layer2_noise --out firmware/layer2_noise

        localnoise export v2 --weights base.pt --defense chip.h5 --chip stm32f407 --out firmware

        localnoise export my_task.py --chip stm32f407 --out firmware

        localnoise export conv3 --training local-heads --out firmware

        localnoise export watch --defense multiscale-8 --chip stm32f407 --out firmware

        localnoise export chip.h5 --chip loihi1 --format json --learner lms --out units
    """
    read = {"file": file, "chip": Path(chip) if chip.endswith(".toml") else None, "weights": weights}
    refuse_inputs("output", output, read | {"defense": Path(defense) if Path(defense).is_file() else None})
    replaceable(output, force)  # before a network is trained
    if cache is not None:
        as_folder("cache", cache)
    rule = asked_learner(learner, rate)
    options = options_of(engines=engines, loaded=load_weights, name=name, selftest=selftest)
    asked = Asked(
        task=str(file), chip=chip, seed=seed or 0, weights=weights, layer=layer, defense=defense, train=sources,
        preset=spend, epochs=epochs, cache=cache, training=training, draws=draws, vote=vote, weight_bits=weight_bits,
        activation_bits=activation_bits, data=data, test_images=test_images,
    )  # fmt: skip
    held: Any
    if file.suffix == ".py" or not (file.suffix or file.exists()):  # a task, by file or by name
        from localnoise.sims.tools.exported_network import exported_network  # torch comes with it

        check_network_export(output, kind, learner=rule, force=force, **options)
        program_profile(chip)
        held = exported_network(asked)
    else:
        asked.refuse_beside(file)
        held = load_chips(file)
    folder = write(held, output, kind, chip, seed=seed, learner=rule, force=force, options=options)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    console.print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))} ({size:.1f} MiB)")
    if selftest:
        console.print(costs_of_selftest(held, selftest))
    console.print(f"Prove it with: {command('verify', folder)}")


if __name__ == "__main__":
    typer.run(export)

"""Search the hyperparameters of local rules for several goals at once, on this machine's cores or a Dask cluster."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.files import refuse_same
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import command, console, errors, show
from localnoise.sims.runtime.options import DataDir, Mix
from localnoise.sims.sweeps import SHIPPED, load_study
from localnoise.validate import as_count


@commands.register("sweep", "Search", "Search hyperparameters for several goals at once, here or on a Dask cluster.")
def sweep(
    study: Annotated[str, typer.Argument(help=f"TOML file, or one that ships: {', '.join(SHIPPED)}.")],
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="SQLite file of the records. Default: results/sweep/NAME.sqlite"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in a file that a sweep began.")] = False,
    trials: Annotated[int | None, typer.Option(help="How many; default: the study's.")] = None,
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler, tcp://host:8786; default: this machine's cores.")
    ] = "",
    workers: Annotated[
        int | None, typer.Option("--jobs", help="Processes on this machine; default: one a core.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of a worker.")] = 1,
    storage: Annotated[
        str, typer.Option(help="Optuna's storage: a path, or a database's URL. Default: a journal beside the records.")
    ] = "",
    data_dir: DataDir = None,
    mix: Mix = False,
) -> None:
    """Sweep a study: trials are judged on held-out training images; test images are never seen.

    Every finished cell is kept at once. After an interruption the same command with --resume goes on. Then
    `localnoise report` draws figures and one page to look through.

    Examples
    --------
        localnoise sweep quick

        localnoise sweep study.toml --jobs 8 --resume

        localnoise sweep rules --scheduler tcp://host:8786 --storage postgresql://user@host/name
    """
    import os

    from localnoise.sims.runtime.cluster import connected
    from localnoise.sims.runtime.stopping import asked_to_stop
    from localnoise.sims.sweeps.display import Display, front_table
    from localnoise.sims.sweeps.keeping import TrialStore, alone
    from localnoise.sims.sweeps.loop import Sweep, prepared
    from localnoise.sims.sweeps.search import Search

    plan, text = load_study(study)
    if trials is not None:
        plan = plan.model_copy(update={"trials": as_count("trials", trials, 1)})
    many = as_count("workers", os.cpu_count() or 1 if workers is None else workers, 1)
    each = as_count("threads", threads, 1)
    kept = TrialStore(out or Path("results/sweep") / f"{plan.name}.sqlite")
    for name, place in {"out": kept.path, "out's journal": kept.journal, "storage": storage or kept.journal}.items():
        refuse_same(name, place, {"study": study})
    settings = prepared(plan, data_dir)
    with asked_to_stop() as asked, alone(kept.path):
        kept.begin(plan, text, resume=resume)
        kept.file.refuse_to_mix(settings.fingerprint, code=not mix)  # trials of other data are no trials of this one
        search = Search(plan, storage or str(kept.journal))
        with connected(scheduler, many, each) as client, Display(plan) as display:
            running = Sweep(plan, kept, search, client, settings, data_dir, each)
            search.restore(list(running.trials.values()))
            running.run(display, asked)
    counts = running.counts
    show(front_table(list(running.front), plan, kept.by_key.values()))
    if counts.done < plan.trials:
        errors.print(f"the space has no more than {counts.done} trials")
    console.print(
        f"{kept.path}: {counts.done} trials, {counts.pruned} pruned, {counts.failed} failed; "
        f"look through them: {command('report', kept.path, '-o', 'report.html')}"
    )


if __name__ == "__main__":
    typer.run(sweep)

"""A worker's job that takes a random while and writes down that it ran: for tests of what a sweep survives."""

import os
import random
import sys
import time
from pathlib import Path

from localnoise.sims.experiments.worker import Job
from localnoise.sims.results.records import key
from localnoise.sims.runtime.cluster import connected
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.sweeps import jobs, load_study
from localnoise.sims.sweeps.keeping import TrialStore, alone
from localnoise.sims.sweeps.loop import Sweep, prepared
from localnoise.sims.sweeps.search import Search


def work(job: Job, stage: Stage) -> jobs.Outcome:
    time.sleep(random.uniform(0.1, 0.3))
    with Path(os.environ["RUNS"]).open("a") as log:
        log.write(f"{os.getpid()} {key(job.cell.config(job.settings))}\n")
    return jobs.nothing(job, stage)


def main(study: str, out: str) -> None:
    plan, text = load_study(study)
    kept, settings = TrialStore(Path(out)), prepared(plan, None)
    with alone(kept.path):
        kept.begin(plan, text, resume=True)
        search = Search(plan, str(kept.journal))
        with connected("", 2, 1) as client:
            sweep = Sweep(plan, kept, search, client, settings, work=work)
            search.restore(list(sweep.trials.values()))
            sweep.run()
    print(sweep.counts)


if __name__ == "__main__":
    main(*sys.argv[1:])

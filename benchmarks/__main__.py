"""`python -m benchmarks`: the table of ratios, with their targets; records; exit 1 if `--check` finds one worse."""

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks import exponents, report, scaling
from benchmarks.row import Result, run

SUBJECTS = (
    "first",
    "drawing",
    "sizes",
    "learning",
    "training",
    "brian",
    "samplers",
    "sweeping",
    "scaling",
    "repairing",
    "mending",
    "exponents",
)


def main() -> None:
    """Run the subjects asked for, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--out", default="results/bench", help="folder for the record and the figure")
    parser.add_argument("--check", action="store_true", help="compare with the recorded ratios: 20 %% worse fails")
    parser.add_argument("--published", action="store_true", help="print the recorded ratios as Markdown, run nothing")
    chosen = parser.parse_args()
    if chosen.published:
        print(report.published())
        return
    unknown = set(chosen.subjects) - {*SUBJECTS}
    if unknown:
        parser.error(f"subject {unknown.pop()!r}: expected some of {', '.join(SUBJECTS)}")
    results: list[Result] = []
    wanted = chosen.subjects or SUBJECTS
    for place, name in enumerate(wanted, 1):
        print(f"{name} ({place} of {len(wanted)}) ...", file=sys.stderr)
        for row in importlib.import_module(f"benchmarks.{name}").rows():
            print(f"  {row.name} ...", end="", flush=True, file=sys.stderr)
            results.append(run(row))
            print(f" {results[-1].ratio:.2f}", file=sys.stderr)
    print(report.table(results))
    for name, module in (("scaling", scaling), ("exponents", exponents)):
        if name in wanted:
            module.figure(Path(chosen.out) / f"{name}.png")
            print(f"figure {chosen.out}/{name}.png")
    sys.exit(report.keep(results, chosen.out, check=chosen.check))


if __name__ == "__main__":
    main()

"""Artefacts under names of their own: two share one program, and one design; what is no identifier is refused."""

import ctypes
import re
import subprocess

import numpy as np
import pytest
from naive_chip import learned

from localnoise.errors import ArgumentError
from localnoise.hardware import OnChip, quantise
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.export.host import FLAGS, compiler
from localnoise.hardware.export.naming import USUAL, as_identifier, in_c, in_verilog
from localnoise.hardware.export.verilog.placed import place
from localnoise.hardware.export.verilog.simulated import STRICT, verilator


@pytest.fixture(scope="module")
def chips():
    """Two chip grids of different shapes."""
    return {"fine": quantise(learned(shape=(3, 4))[0]), "coarse": quantise(learned(shape=(2, 3), channels=2)[0])}


PROGRAM = """#include "fine.h"
#include "coarse.h"
#include "fine_learn.h"

void both(int16_t *a, int16_t *b);
void both(int16_t *a, int16_t *b)
{
    fine_noise first;
    coarse_noise second;
    fine_init(&first);
    coarse_init(&second);
    fine_draw(&first, a);
    coarse_draw(&second, b);
}
"""


@pytest.mark.slow
def test_two_grids_share_one_program(tmp_path, chips):
    d = np.random.default_rng(0).normal(size=(50, 3, 3, 4))
    learner = OnChip(rule="lms")
    taught = quantise(learned(shape=(3, 4))[0], d=d)
    for name, chip, rule in (("fine", taught, learner), ("coarse", chips["coarse"], None)):
        folder = export(chip, tmp_path / name, "c99", seed=3, learner=rule, name=name)
        assert all(check.mismatch == "" for check in verify(folder, 500)[0])
        assert {path.name.split(".")[0].split("_")[0] for path in folder.glob("*.[ch]")} == {name}
        assert not any(word in path.read_text() for path in folder.glob("*.[ch]") for word in ("ln_", "LN_"))
    (tmp_path / "main.c").write_text(PROGRAM)
    sources = [str(path) for path in (tmp_path / "main.c", *tmp_path.glob("fine/*.c"), *tmp_path.glob("coarse/*.c"))]
    paths = ["-I", str(tmp_path / "fine"), "-I", str(tmp_path / "coarse")]
    done = subprocess.run(
        [*compiler(), *FLAGS, "-fPIC", "-shared", *paths, *sources, "-o", str(tmp_path / "both.so")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    words = {name: np.empty(chips[name].config.neurons, np.int16) for name in ("fine", "coarse")}
    ctypes.CDLL(str(tmp_path / "both.so")).both(
        *(array.ctypes.data_as(ctypes.POINTER(ctypes.c_int16)) for array in words.values())
    )
    for chip, got in zip((taught, chips["coarse"]), words.values(), strict=True):
        wanted = chip.words(1, 3, 0).reshape(chip.config.channels, -1).T.ravel()
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.slow
def test_two_grids_share_one_design(tmp_path, chips):
    tops = []
    for name, chip in chips.items():
        folder = export(chip, tmp_path / name, "verilog", name=name, loaded=name == "fine")
        assert manifest.read(folder)["name"] == name
        assert all(check.mismatch == "" for check in verify(folder, 200)[0])
        for path in (*folder.glob("*.v"), *folder.glob("*.mem")):
            assert path.name.startswith(name)
            assert not (tmp_path / path.name).exists()
            (tmp_path / path.name).write_bytes(path.read_bytes())
        tops.append(f"    {name} {name}_grid (.clk(clk), .rst(rst));")
    unused = "/* verilator lint_off PINMISSING */"
    (tmp_path / "both.v").write_text(
        f"{unused}\nmodule both (input wire clk, input wire rst);\n{chr(10).join(tops)}\nendmodule\n"
    )
    files = [*sorted(path.name for path in tmp_path.glob("*.v") if path.name != "both.v"), "both.v"]
    verilator(tmp_path, "--lint-only", *STRICT, "-Wno-DECLFILENAME", "--top-module", "both", *files)
    assert place(tmp_path / "coarse").used["logic_cells"] > 100


@pytest.mark.parametrize("name", ["2nd", "", "a-b", "a b", "_own", "é", "a.c", "x" * 21, None])
@pytest.mark.parametrize("language", ["C", "Verilog"])
def test_what_is_no_identifier_is_refused(name, language):
    with pytest.raises(ArgumentError, match=rf"name={name!r}: .*expected a {language} identifier of at most 20"):
        as_identifier(name, language)


@pytest.mark.parametrize(("kind", "name"), [("c99", "while"), ("verilog", "wire"), ("c99", "9"), ("verilog", "a$")])
def test_export_refuses_before_it_writes(tmp_path, chips, kind, name):
    with pytest.raises(ArgumentError, match=r"name=.*(keyword|no identifier)"):
        export(chips["coarse"], tmp_path / "a", kind, name=name)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ArgumentError, match="not of format json; expected with c99, verilog"):
        export(chips["coarse"], tmp_path / "a", "json", name="fine")


@pytest.mark.parametrize(
    "name",
    ["stdint", "STDINT", "math", "main", "assert", "class", "template", "aux", "com1", "Con", "ln_mine", "LN_mine"],
)
def test_names_that_c_has_given_away_are_refused(name):
    with pytest.raises(ArgumentError, match=rf"name='{name}': is .*expected a C identifier"):
        as_identifier(name, "C")


@pytest.mark.parametrize(
    "name",
    [
        "clk",
        "rst",
        "eta_data",
        "engine0",
        "engine12",
        "bus",
        "units_at3",
        "turns",
        "logic",
        "byte",
        "INDEX_BITS",
        "nul",
    ],
)
def test_names_that_the_top_module_uses_are_refused(tmp_path, chips, name):
    with pytest.raises(ArgumentError, match=rf"name='{name}': is .*expected a Verilog identifier"):
        export(chips["coarse"], tmp_path / "a", "verilog", name=name)


@pytest.mark.parametrize("loaded", [False, True])
def test_no_name_inside_the_top_module_is_left_out(tmp_path, chips, loaded):
    """Every identifier that the top module declares or connects, read off its text."""
    folder = export(chips["coarse"], tmp_path / "a", "verilog", loaded=loaded)
    text = re.sub(r"//.*", "", (folder / "localnoise.v").read_text())
    declared = re.findall(r"(?:wire|localparam)[ \[\]\w:*+-]*?\b([A-Za-z]\w*)\b(?=\s*[,;=)]|\s*$)", text, re.M)
    declared += re.findall(r"\) (\w+) \(", text)
    assert {"clk", "rst", "eta_last", "bus", "engine0"} <= set(declared)
    for name in declared:
        with pytest.raises(ArgumentError, match="name="):
            as_identifier(name, "Verilog")


def test_keywords_are_of_their_language():
    assert as_identifier("wire", "C") == "wire"
    assert as_identifier("while1", "Verilog") == "while1"


def test_the_usual_name_changes_nothing():
    text = '#include "localnoise_tables.h"\n/* localnoise.hardware */ ln_draw LN_UNITS module localnoise ('
    assert in_c(text, USUAL) == in_verilog(text, USUAL) == text

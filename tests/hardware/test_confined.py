"""Verifying runs an artefact's code: what the manifest names, nothing that reaches beyond, and within limits."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from naive_chip import learned

from localnoise.errors import FileFormatError, LocalnoiseError
from localnoise.hardware import quantise
from localnoise.hardware.export import confined, cortex, export, manifest, verify
from localnoise.hardware.export.confined import Confined
from localnoise.hardware.export.host import compiled, compiler
from localnoise.hardware.export.verilog.placed import place

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")


@pytest.fixture(scope="module")
def chip():
    return quantise(learned(shape=(2, 2), channels=1)[0])


@pytest.fixture(params=["c99", "verilog"])
def artefact(request, tmp_path, chip):
    return export(chip, tmp_path / "a", request.param)


def signed(folder, name, text):
    """Edit a source and sign the artefact again, as somebody would who means harm."""
    (folder / name).write_text(text)
    said = json.loads((folder / "manifest.json").read_text())
    manifest.write(folder, said["kind"], said["seed"], {"name": said["name"], "learner": None})


def refused(folder, match):
    with pytest.raises(FileFormatError, match=match):
        verify(folder, 100)


# What the manifest does not name

PLANT = '__attribute__((constructor)) static void run(void) {{ extern int remove(const char *); remove("{}"); }}\n'


@pytest.mark.parametrize("name", ["planted.c", "stdint.h", "Planted.C", "localnoise_bus.sv", "x.vlt", "planted.mem"])
def test_a_source_beside_the_manifests_is_refused_and_never_run(tmp_path, artefact, name):
    witness = tmp_path / "witness"
    witness.touch()
    (artefact / name).write_text(PLANT.format(witness))
    refused(artefact, f"{name}: not named by the manifest, and what is not is never compiled")
    assert witness.exists()


def test_what_is_no_source_may_lie_beside_it(tmp_path, chip):
    folder = export(chip, tmp_path / "a")
    (folder / "notes.txt").write_text("mine")
    (folder / "own").mkdir()
    (folder / "own" / "main.c").write_text("int main(void) { return 0; }")
    assert all(check.mismatch == "" for check in verify(folder, 10, ["host"])[0])


@pytest.mark.parametrize("name", ["../own.c", "/etc/passwd", "a/b.c", "..", ".hidden.c", "manifest.json", "", "a\nb.c"])
def test_names_that_leave_the_folder_are_refused(artefact, name):
    said = json.loads((artefact / "manifest.json").read_text())
    said["files"][name] = "0" * 64
    (artefact / "manifest.json").write_text(json.dumps(said))
    refused(artefact, "files are not names in its folder")


# What reaches beyond it


@pytest.mark.parametrize(
    "line",
    [
        '#include "/etc/passwd"',
        '#include "../own.h"',
        "#include <stdio.h>",
        " #  include <stdint.h> /* and */ <stdio.h>",
        "/* a */ #include <stdio.h>",
        '#define FILE "/etc/passwd"\n#include FILE',
        "#include_next <stdint.h>",
        '#import "x.h"',
        '#embed "/etc/passwd"',
        "#pragma GCC poison int",
        '%:include "/etc/passwd"',
        '??=include "/etc/passwd"',
        '#inc\\\nlude "/etc/passwd"',
        '#if __has_include("/etc/passwd")\n#endif',
        '__asm__(".incbin \\"/etc/passwd\\"");',
        "#define JOIN(a, b) a##b",
        '_Pragma("once")',
        'static const char c[] = "/*";\n#include <stdio.h>\nstatic const char d[] = "*/";',
        "static const char c = '\"';\n#include <stdio.h>\nstatic const char d = '\"';",
        "// a comment that goes on ??/\n#include <stdio.h>",
    ],
)
def test_c_that_reaches_beyond_the_artefact_is_refused(tmp_path, chip, line):
    folder = export(chip, tmp_path / "a")
    signed(folder, "localnoise_seed.c", line + "\n" + (folder / "localnoise_seed.c").read_text())
    refused(folder, r"localnoise_seed\.c: holds .*, which no export does")


@pytest.mark.parametrize(
    "line",
    [
        'initial $system("touch x");',
        'integer f; initial f = $fopen("x");',
        'initial $readmemh("/etc/passwd", cells);',
        'localparam A = "/etc/passwd";',
        '`include "/etc/passwd"',
        "`define A 1",
        'initial $c("abort();");',
        "/*verilator public*/",
        "// verilator lint_off WIDTH",
        "wire \\$system ;",
        'localparam A = "/*"; initial $finish; localparam B = "*/";',
        "initial $display(1);",
    ],
)
def test_verilog_that_reaches_beyond_the_artefact_is_refused(tmp_path, chip, line):
    folder = export(chip, tmp_path / "a", "verilog")
    text = (folder / "localnoise_rom.v").read_text()
    signed(folder, "localnoise_rom.v", text.replace("endmodule", f"{line}\nendmodule"))
    refused(folder, r"localnoise_rom\.v: holds .*, which no export does")
    with pytest.raises(FileFormatError, match=r"localnoise_rom\.v: holds"):
        place(folder)


# Within which limits the rest runs

CHANGES = """#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    char answers[5] = {'-', '-', '-', '-', '-'};
    int child;
    if (open("made", O_CREAT | O_WRONLY, 0600) >= 0) answers[0] = 'm';
    if (remove("theirs") == 0) answers[1] = 'r';
    if (truncate("cut", 0) == 0) answers[2] = 't';
    if (mkdir("folder", 0700) == 0 || rename("cut", "moved") == 0) answers[3] = 'd';
    if (kill(getppid(), 0) == 0) answers[4] = 'k';
    child = fork();
    if (child == 0) for (;;) pause();
    (void)!write(1, answers, 5);
    (void)!write(1, &child, sizeof child);
    (void)getchar();
    return 0;
}
"""
PROGRAM = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

int main(int count, char **names)
{
    char answers[4] = {'-', '-', '-', '-'};
    FILE *file = fopen("written", "w");
    struct sockaddr_in place = {0};
    int line = socket(AF_INET, SOCK_STREAM, 0);
    (void)count;
    (void)names;
    if (file != NULL && fputs("x", file) >= 0 && fclose(file) == 0) answers[0] = 'w';
    char *much = malloc((size_t)6 << 30);
    if (much != NULL) answers[1] = 'm';
    place.sin_family = AF_INET;
    place.sin_port = htons(%d);
    place.sin_addr.s_addr = htonl(0x7F000001);
    if (connect(line, (struct sockaddr *)&place, sizeof place) == 0) answers[2] = 'n';
    if (getenv("HOME") != NULL || getenv("SECRET") != NULL) answers[3] = 'e';
    (void)!write(1, answers, 4);
    while (getchar() != 'x') {}
    return 3;
}
"""


def program(folder, text):
    (folder / "program.c").write_text(text)
    subprocess.run([*compiler(), "-w", str(folder / "program.c"), "-o", str(folder / "program")], check=True)
    return folder / "program"


def may_unshare():
    code = "import ctypes; u = ctypes.CDLL(None).unshare; raise SystemExit(u(0x40000000) and u(0x50000000))"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@linux
def test_a_program_writes_nothing_and_reaches_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = program(tmp_path, PROGRAM % server.getsockname()[1])
        with closing(Confined(made, tmp_path)) as running:
            answers = running.receive(4).decode()
        free = subprocess.run([made], input=b"x", capture_output=True, cwd=tmp_path, check=False)
    assert answers == ("----" if may_unshare() else "--n-")
    assert free.stdout == b"wmne"  # the same without limits
    assert free.returncode == 3


def landlock():
    """The version of Landlock that this kernel has; 0: none."""
    code = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))"
    return max(0, int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


@linux
@pytest.mark.skipif(landlock() < 6, reason="a kernel of 6.12 or later, with Landlock")
def test_a_program_changes_no_file_and_leaves_no_process(tmp_path):
    made = program(tmp_path, CHANGES)
    for name in ("theirs", "cut"):
        (tmp_path / name).write_text("kept")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with closing(Confined(made, tmp_path)) as running:
        assert running.receive(5) == b"-----"
        child = int.from_bytes(running.receive(4), sys.byteorder)
        os.kill(child, 0)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or " Z " in state.read_text():  # nobody may be there to reap it
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child lives")
    free = subprocess.Popen([made], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, start_new_session=True)
    assert free.stdout.read(5) == b"mrtdk"  # the same without limits
    os.killpg(free.pid, signal.SIGKILL)
    free.communicate()


@linux
def test_a_program_that_ends_or_is_silent_is_told(tmp_path, monkeypatch):
    made = program(tmp_path, PROGRAM % 1)
    with closing(Confined(made, tmp_path)) as running:
        running.receive(4)
        running.send(b"x")
        with pytest.raises(LocalnoiseError, match="ended with code 3 after 0 of 2 bytes"):
            running.receive(2)
        with pytest.raises(LocalnoiseError, match="ended with code 3"):
            running.send(b"x" * 2**20)
    monkeypatch.setattr(confined, "PATIENCE", 0.4)
    with closing(Confined(made, tmp_path)) as running, pytest.raises(LocalnoiseError, match=r"said nothing for 0\.4 s"):
        running.receive(9)


@linux
@pytest.mark.parametrize(
    ("backend", "message"), [("host", "said nothing for 1 s"), ("cortex-m", "init took more than 1 s")]
)
def test_a_loop_in_an_artefact_ends(tmp_path, chip, monkeypatch, backend, message):
    folder = export(chip, tmp_path / "a")
    text, begin = (folder / "localnoise.c").read_text(), "void ln_init(ln_noise *noise)\n{\n"
    assert begin in text
    signed(folder, "localnoise.c", text.replace(begin, begin + "    volatile int on = 1;\n    while (on) {}\n"))
    monkeypatch.setattr(confined, "PATIENCE", 1.0)
    monkeypatch.setattr(cortex, "_PATIENCE", 1)
    with pytest.raises(LocalnoiseError, match=message):
        verify(folder, 100, [backend])


def test_no_program_is_left_running(tmp_path):
    made = program(tmp_path, PROGRAM % 1)
    running = Confined(made, tmp_path)
    running.receive(4)
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(running._process.pid, 0)


def test_help_and_readme_say_that_it_runs_code():
    from helping import help_of

    assert "runs the artefact's code" in " ".join(help_of("verify").split())


# Compiling


@pytest.mark.parametrize("home", ["/dev/null/none", None])
def test_a_user_without_a_home_compiles(tmp_path, monkeypatch, home):
    """Zig keeps a cache below it, and ends where it cannot."""
    pytest.importorskip("ziglang")
    for name in ("HOME", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    source = tmp_path / "one.c"
    source.write_text("int one(void) { return 1; }\n")
    done = compiled([sys.executable, "-m", "ziglang", "cc", "-c", str(source), "-o", str(tmp_path / "one.o")])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "one.o").stat().st_size > 0
    source.write_text("int one(void) { return two; }\n")
    assert "two" in compiled([sys.executable, "-m", "ziglang", "cc", "-c", str(source)]).stderr

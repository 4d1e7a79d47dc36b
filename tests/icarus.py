"""Icarus Verilog runs an exported design: a second reading of the language, beside Verilator's."""

import subprocess

import numpy as np

BENCH = """module bench;
    reg clk = 0, rst = 1, go_valid = 0, go_perturb = 0, load_valid = 0, h_valid = 0, taken = 0;
    reg [15:0] load_data = 0;
    reg [{h}-1:0] h_data = 0;
    wire go_ready, load_ready, h_ready, eta_valid, eta_last;
    wire [31:0] eta_index;
    wire signed [{w}-1:0] eta_data;
    reg [15:0] weights[0:{most_loads}];
    reg [{h}-1:0] activations[0:{most_reads}];
    integer draw, k;

    localnoise grid (
        .clk(clk), .rst(rst), .go_valid(go_valid), .go_ready(go_ready), .go_perturb(go_perturb), {port}
        .h_valid(h_valid), .h_ready(h_ready), .h_data(h_data), .eta_valid(eta_valid), .eta_ready(1'b1),
        .eta_index(eta_index[{i}-1:0]), .eta_data(eta_data), .eta_last(eta_last)
    );
    always #1 clk = ~clk;
    always @(posedge clk) if (eta_valid && !rst) $display("%0d %0d", eta_index[{i}-1:0], eta_data);

    initial begin
        {read}
        repeat (3) @(negedge clk);
        rst = 0;
        for (k = 0; k < {loads}; k = k + 1) begin
            load_valid = 1;
            load_data = weights[k];
            @(negedge clk);
        end
        load_valid = 0;
        for (draw = 0; draw < {draws}; draw = draw + 1) begin
            for (k = 0; k < {neurons} && {signal}; k = k + 1) begin
                h_valid = 1;
                h_data = activations[draw * {neurons} + k];
                @(negedge clk);
            end
            h_valid = 0;
            go_valid = 1;
            go_perturb = {signal};
            @(negedge clk);
            go_valid = 0;
            while (!go_ready) @(negedge clk);
        end
        $finish;
    end
endmodule
"""


def compiled(program, folder, *more, tops=()):
    """Compile a folder's Verilog as IEEE 1364-2005 with all warnings; return what Icarus said."""
    top = [part for name in tops for part in ("-s", name)]
    sources = [*sorted(map(str, folder.glob("*.v"))), *map(str, more)]
    command = ["iverilog", "-g2005", "-Wall", *top, "-o", str(program), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip() or ("" if done.returncode == 0 else f"exit {done.returncode}")


def drawn(build, folder, chip, draws, h=None):
    """Words (draws, m, N) that the design draws from its start, with activation words h (draws, m, N)."""
    f, m = chip.formats, chip.config.channels
    neurons = chip.config.neurons
    table = folder / "localnoise_weights0.mem"
    loaded = "load_valid," in (folder / "localnoise.v").read_text()
    loads = len(table.read_text().split()) if loaded else 0
    read = [f'$readmemh("{table}", weights);'] if loaded else []
    if h is not None:
        mask = (1 << f.activation_bits) - 1
        words = h.transpose(0, 2, 1).reshape(-1)
        (build / "h.mem").write_text("".join(f"{int(word) & mask:x}\n" for word in words))
        read.append(f'$readmemh("{build / "h.mem"}", activations);')
    port = ".load_valid(load_valid), .load_ready(load_ready), .load_data(load_data)," if loaded else ""
    index = (folder / "localnoise.v").read_text().split("] eta_index")[0].rsplit("[", 1)[1]
    numbers = {"h": f.activation_bits, "w": f.word_bits, "i": int(index.split(":")[0]) + 1}
    numbers |= {"loads": loads, "draws": draws, "neurons": neurons}
    numbers |= {"most_loads": max(loads, 1) - 1, "most_reads": draws * neurons - 1}
    bench = BENCH.format(**numbers, port=port, read=" ".join(read), signal=int(h is not None))
    (build / "bench.v").write_text(bench)
    assert compiled(build / "run", folder, build / "bench.v", tops=("bench",)) == ""
    done = subprocess.run(["vvp", "-n", str(build / "run")], cwd=folder, capture_output=True, text=True, check=True)
    lines = np.array([line.split() for line in done.stdout.split("\n") if line], np.int64)
    out = np.zeros((draws, neurons), np.int64)
    for t, part in enumerate(lines.reshape(draws, neurons, 2)):
        assert sorted(part[:, 0]) == list(range(neurons))
        out[t, part[:, 0]] = part[:, 1]
    return out.reshape(draws, -1, m).transpose(0, 2, 1)

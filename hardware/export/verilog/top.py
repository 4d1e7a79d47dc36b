"""The top module `localnoise`: a grid's engines, and the bus between them."""

from collections.abc import Sequence
from typing import Any

from localnoise.bank import hash_offset
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.verilog.memories import starts_of
from localnoise.hardware.export.verilog.plan import Ints
from localnoise.hardware.formats import NORMALS, ROUNDINGS
from localnoise.hardware.generators import GENERATORS


def top_of(
    whole: ChipGrid | ChipBank, plans: Sequence[tuple[Ints, Ints]], sizes: Sequence[dict[str, int]], seed: int
) -> str:
    """Return `localnoise.v`: the engines and the bus between them; of a bank, begun at the turns of `seed`."""
    chip = whole.members[0] if isinstance(whole, ChipBank) else whole
    f, formats = chip.field, chip.formats
    generator = GENERATORS[formats.generator]
    shared = {
        "CHANNELS": f.channels,
        "WEIGHT_BITS": formats.weight_bits,
        "WORD_BITS": formats.word_bits,
        "ACTIVATION_BITS": formats.activation_bits,
        "ACC_BITS": formats.accumulator_bits,
        "STATE_BITS": generator.width,
        "NORMAL_BYTES": formats.normal_bytes,
        "POPCOUNT": NORMALS.index(formats.normal),
        "ROUNDING": ROUNDINGS.index(formats.rounding),
        "WRAP": int(formats.overflow == "wrap"),
        "SIGNAL": int(f.signal),
        "LOADED": int("SLOT_LOG" in sizes[0]),
        "TAPS": f"32'h{generator.kind:x}",
    }
    tables = ("units", "links", "weights", "seed", *(["bias"] if f.signal else []))
    engines = []
    for number, ((units, _), own) in enumerate(zip(plans, sizes, strict=True)):
        files = {f"{name.upper()}_FILE": f'"localnoise_{name}{number}.mem"' for name in tables}
        parameters = {**shared, **own, "LAST_RECORD": len(units) - 1, **files}
        given = ",\n".join(f"        .{name}({value})" for name, value in parameters.items())
        engines.append(_ENGINE.format(number=number, parameters=given))
        engines.append(_starts(whole, number, units, own))
    index, neurons = sizes[0]["INDEX_BITS"], f.units * f.channels
    ports = {"h": formats.activation_bits, "index": index, "word": formats.word_bits}
    ranges = {name: f"[{bits - 1}:0]" for name, bits in ports.items()}
    numbers: dict[str, Any] = {"engines": len(plans), "neurons": neurons, "last": len(plans) - 1}
    port, tie = (_LOAD, "") if shared["LOADED"] else ("", _NO_LOAD)
    numbers |= {"load": port, "no_load": tie}
    kind = "reg" if isinstance(whole, ChipBank) else "wire"
    numbers["declared"] = "".join(
        f"    {kind} [{own[bits] - 1}:0] {name}{number};\n"
        for number, own in enumerate(sizes)
        for name, bits in (("units_at", "UNIT_BITS"), ("weights_at", "WEIGHT_INDEX"), ("biases_at", "BIAS_BITS"))
    )
    numbers["activation"] = ""
    if f.signal:
        numbers["activation"] = _ACTIVATION.format(scale=f.activation_scale, bits=formats.activation_bits)
    numbers["turn"] = _ALONE
    if isinstance(whole, ChipBank):
        edges = "".join(f"{int(edge):08x}" for edge in whole.thresholds[::-1])
        numbers["turn"] = _TURN.format(
            members=len(whole.members), bits=max((len(whole.members) - 1).bit_length(), 1), offset=hash_offset(seed),
            size=32 * len(whole.members), edges=edges,
        )  # fmt: skip
    return _TOP.format(**ranges, **numbers, **{f"{n}_bits": b for n, b in ports.items()}, instances="\n".join(engines))


def _starts(whole: ChipGrid | ChipBank, number: int, units: Ints, sizes: dict[str, int]) -> str:
    """Return what says where an engine's member begins."""
    widths = [sizes[name] for name in ("UNIT_BITS", "WEIGHT_INDEX", "BIAS_BITS")]
    names = [f"{name}{number}" for name in ("units_at", "weights_at", "biases_at")]
    declared = list(zip(widths, names, strict=True))
    if not isinstance(whole, ChipBank):
        return "".join(f"    assign {name} = {width}'d0;\n" for width, name in declared)
    lines = []
    for index, member in enumerate(whole.members):
        starts = starts_of(member, units, index)
        given = [f"{name} = {width}'d{start};" for (width, name), start in zip(declared, starts, strict=True)]
        label = f"{max((len(whole.members) - 1).bit_length(), 1)}'d{index}"
        lines.append(f"            {label if index + 1 < len(whole.members) else 'default'}: begin")
        lines += [f"                {part}" for part in given] + ["            end"]
    return "    always @* begin\n        case (member)\n" + "\n".join(lines) + "\n        endcase\n    end\n"


_ENGINE = """    localnoise_engine #(
{parameters}
    ) engine{number} (
        .clk(clk), .rst(rst), .load(load_valid && load_ready), .load_data(load_data), .start(start),
        .perturb(go_perturb), .silent(silent), .units_at(units_at{number}), .weights_at(weights_at{number}),
        .biases_at(biases_at{number}), .idle(idle[{number}]), .waiting(waiting[{number}]), .go_on(go_on),
        .h_write(h_write), .h_index(h_index), .h_data(h_data), .bus_write(bus_write), .bus_index(eta_index),
        .bus_data(eta_data), .word_valid(valid[{number}]), .word_ready(ready[{number}]),
        .word_index(indices[{number}*INDEX_BITS+:INDEX_BITS]),
        .word_data(words[{number}*WORD_BITS+:WORD_BITS])
    );
"""

_TOP = """// One grid's noise, written by localnoise. Do not edit: the manifest holds its checksum.
//
// go starts a draw; with go_perturb, for the activation that came last: all its words by index, unit * channels +
// channel, while no draw runs. The draw's words leave in the order of the sweep, each with its index, the last one
// marked. Where there is a load port, the words of localnoise_weights0.mem come through it once, in order, while no
// draw runs. A transfer takes place in a clock in which valid and ready are both high.
//
// A word of unit u has the value eta_data 2^-scale, u's of "words" in manifest.json.{activation}
//
// THE SAME NOISE AFTER EVERY RESET: rst, which power-up needs too, starts the stream again. A running design cannot be
// given another seed: it is in localnoise_seed*.mem, the only tables that `localnoise export --seed` changes.
module localnoise (
    input  wire       clk,
    input  wire       rst,
    input  wire       go_valid,
    output wire       go_ready,
    input  wire       go_perturb,
{load}    input  wire       h_valid,
    output wire       h_ready,
    input  wire {h} h_data,
    output wire       eta_valid,
    input  wire       eta_ready,
    output wire {index} eta_index,
    output wire {word} eta_data,
    output wire       eta_last
);
    localparam INDEX_BITS = {index_bits}, WORD_BITS = {word_bits};

{no_load}    wire start, go_on, h_write, bus_write;
    wire {index} h_index;
    wire [{last}:0] idle, waiting, valid, ready;
    wire [{engines}*INDEX_BITS-1:0] indices;
    wire [{engines}*WORD_BITS-1:0] words;
{declared}{turn}    assign load_ready = go_ready && !go_valid;

    localnoise_bus #(
        .ENGINES({engines}), .NEURONS({neurons}), .INDEX_BITS(INDEX_BITS), .WORD_BITS(WORD_BITS)
    ) bus (
        .clk(clk), .rst(rst), .go_valid(go_valid && turn_ready), .go_ready(bus_ready), .start(start), .h_valid(h_valid),
        .h_ready(h_ready), .h_write(h_write), .h_index(h_index), .idle(idle), .waiting(waiting), .go_on(go_on),
        .word_valid(valid), .word_ready(ready), .word_index(indices), .word_data(words), .eta_valid(eta_valid),
        .eta_ready(eta_ready), .eta_index(eta_index), .eta_data(eta_data), .eta_last(eta_last), .bus_write(bus_write)
    );
{instances}endmodule
"""

_ALONE = """    wire bus_ready;
    wire turn_ready = 1'b1;
    wire silent = 1'b0;
    assign go_ready = bus_ready;
"""
_TURN = """\
    // {members} members take turns in the same engines: whose turn it is follows from seed and number of a draw. One
    // without noise has words of zero, and moves the generators on as any other. Another seed has another TURN.
    wire turn_ready, silent, bus_ready;
    wire [{bits}-1:0] member;
    assign go_ready = bus_ready && turn_ready;
    localnoise_turn #(
        .MEMBERS({members}), .MEMBER_BITS({bits}), .TURN(64'h{offset:x}), .THRESHOLDS({size}'h{edges})
    ) turns (
        .clk(clk), .rst(rst), .start(start), .ready(turn_ready), .member(member), .silent(silent)
    );
"""
_LOAD = """    input  wire       load_valid,
    output wire       load_ready,
    input  wire [15:0] load_data,
"""
_NO_LOAD = """    wire load_ready;
    wire load_valid = 1'b0;
    wire [15:0] load_data = 16'd0;
"""
_ACTIVATION = """ An activation x becomes h_data =
// floor(x 2^{scale} + 1/2), clipped to {bits} bits of two's complement."""

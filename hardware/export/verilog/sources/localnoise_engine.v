// One engine: it walks its units in the order, each after its parents, and gives a word a channel. Its generators, links
// and weights are its own; the words of all engines reach it over the bus. A unit whose record says so ends a level: the
// engine waits there for the others, so that their units can be parents of its next ones.
//
// Of a bank it holds a set of records, weights and biases a member, one after the other, of which it uses the one that
// begins at units_at, weights_at and biases_at; of a silent draw the words are zero.
//
// A unit's record, from the high end: wait, skip, parents, readers, fraction, three lifts, index of its first word.
module localnoise_engine #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter NEURONS = 2,
    parameter INDEX_BITS = 2,
    parameter RECORDS = 2,
    parameter LAST_RECORD = 1,
    parameter RECORD_BITS = 1,
    parameter UNITS = 2,
    parameter UNIT_BITS = 1,
    parameter COUNT_BITS = 2,
    parameter LIFT_BITS = 1,
    parameter FRACTION_BITS = 1,
    parameter LINKS = 2,
    parameter LINK_BITS = 1,
    parameter WEIGHTS = 2,
    parameter WEIGHT_INDEX = 1,
    parameter BIASES = 2,
    parameter BIAS_BITS = 1,
    parameter WEIGHT_BITS = 8,
    parameter WORD_BITS = 12,
    parameter ACTIVATION_BITS = 8,
    parameter ACC_BITS = 32,
    parameter STATE_BITS = 32,
    parameter NORMAL_BYTES = 8,
    parameter POPCOUNT = 0,
    parameter ROUNDING = 0,
    parameter WRAP = 0,
    parameter SIGNAL = 0,
    parameter LOADED = 0,
    parameter SLOT_LOG = 3,
    parameter [31:0] TAPS = 32'd0,
    parameter UNITS_FILE = "",
    parameter LINKS_FILE = "",
    parameter WEIGHTS_FILE = "",
    parameter SEED_FILE = "",
    parameter BIAS_FILE = ""
) (
    input  wire                       clk,
    input  wire                       rst,
    input  wire                       load,  // the next 16 bits of weights
    input  wire [               15:0] load_data,
    input  wire                       start,
    input  wire                       perturb,
    input  wire                       silent,
    input  wire [      UNIT_BITS-1:0] units_at,
    input  wire [   WEIGHT_INDEX-1:0] weights_at,
    input  wire [      BIAS_BITS-1:0] biases_at,
    output wire                       idle,
    output wire                       waiting,
    input  wire                       go_on,  // all engines wait
    input  wire                       h_write,
    input  wire [     INDEX_BITS-1:0] h_index,
    input  wire [ACTIVATION_BITS-1:0] h_data,
    input  wire                       bus_write,
    input  wire [     INDEX_BITS-1:0] bus_index,
    input  wire [      WORD_BITS-1:0] bus_data,
    output wire                       word_valid,
    input  wire                       word_ready,
    output wire [     INDEX_BITS-1:0] word_index,
    output wire [      WORD_BITS-1:0] word_data
);
    localparam [3:0] IDLE = 4'd0, FETCH = 4'd1, LOAD = 4'd2, DRAW = 4'd3, BEGIN = 4'd4, ROW = 4'd5, ROUND = 4'd6,
                     OUT = 4'd7, NEXT = 4'd8, WAIT = 4'd9;
    localparam FIELDS = 2 + 2 * COUNT_BITS + FRACTION_BITS + 3 * LIFT_BITS + INDEX_BITS;
    localparam LAST_CHANNEL = CHANNELS - 1;
    localparam [CHANNEL_BITS-1:0] LAST = LAST_CHANNEL[CHANNEL_BITS-1:0];
    localparam [RECORD_BITS-1:0] END = LAST_RECORD[RECORD_BITS-1:0];

    reg  [             3:0] state;
    reg                     signal;  // this draw reads the activation
    reg                     fresh;  // generators are still at their seeds
    reg  [ RECORD_BITS-1:0] record;
    reg  [CHANNEL_BITS-1:0] channel;
    reg  [   LINK_BITS-1:0] first;

    wire                     stop, skip;
    wire [   COUNT_BITS-1:0] parents, readers;
    wire [FRACTION_BITS-1:0] fraction;
    wire [  3*LIFT_BITS-1:0] lifts;
    wire [   INDEX_BITS-1:0] base, index;
    wire [   STATE_BITS-1:0] seed, kept;
    wire [             31:0] drawn, random;
    wire [             13:0] normal;
    wire [     ACC_BITS-1:0] acc, bias;
    wire [    WORD_BITS-1:0] eta, word;
    wire [ACTIVATION_BITS-1:0] h;
    wire                     drawing, summing;
    wire                     sent = (state == OUT) && word_ready;
    wire [   COUNT_BITS-1:0] links = parents + readers;
    wire [             32:0] from = {{(33 - STATE_BITS) {1'b0}}, fresh ? seed : kept};
    wire [     UNIT_BITS:0] padded = {{(UNIT_BITS + 1 - RECORD_BITS) {1'b0}}, record};
    wire [   UNIT_BITS-1:0] unit = units_at + padded[UNIT_BITS-1:0];
    wire                     unused = &{1'b0, from[32], drawn, padded[UNIT_BITS]};

    assign word_data = silent ? {WORD_BITS{1'b0}} : word;
    assign idle = state == IDLE;
    assign waiting = state == WAIT;
    assign word_valid = state == OUT;
    assign word_index = base + {{(INDEX_BITS - CHANNEL_BITS) {1'b0}}, channel};

    localnoise_rom #(.WIDTH(FIELDS), .DEPTH(UNITS), .INDEX(UNIT_BITS), .FILE(UNITS_FILE)) units (
        .clk(clk), .index(unit), .data({stop, skip, parents, readers, fraction, lifts, base})
    );
    localnoise_rom #(.WIDTH(STATE_BITS), .DEPTH(RECORDS), .INDEX(RECORD_BITS), .FILE(SEED_FILE)) seeds (
        .clk(clk), .index(record), .data(seed)
    );
    localnoise_ram #(.WIDTH(STATE_BITS), .DEPTH(RECORDS), .INDEX(RECORD_BITS)) generators (
        .clk(clk), .write(state == BEGIN), .target(record), .value(drawn[STATE_BITS-1:0]), .index(record), .data(kept)
    );
    localnoise_ram #(.WIDTH(WORD_BITS), .DEPTH(NEURONS), .INDEX(INDEX_BITS)) words (
        .clk(clk), .write(bus_write), .target(bus_index), .value(bus_data), .index(index), .data(eta)
    );
    localnoise_random #(
        .CHANNELS(CHANNELS), .CHANNEL_BITS(CHANNEL_BITS), .NORMAL_BYTES(NORMAL_BYTES), .POPCOUNT(POPCOUNT),
        .STOCHASTIC(ROUNDING == 2), .TAPS(TAPS)
    ) noise (
        .clk(clk), .rst(rst), .start((state == LOAD) && !skip), .from(from[31:0]),
        .busy(drawing), .state(drawn), .channel(channel), .normal(normal), .random(random)
    );
    localnoise_row #(
        .CHANNELS(CHANNELS), .CHANNEL_BITS(CHANNEL_BITS), .INDEX_BITS(INDEX_BITS), .LINKS(LINKS),
        .LINK_BITS(LINK_BITS), .COUNT_BITS(COUNT_BITS), .LIFT_BITS(LIFT_BITS), .WEIGHTS(WEIGHTS),
        .WEIGHT_INDEX(WEIGHT_INDEX), .WEIGHT_BITS(WEIGHT_BITS), .WORD_BITS(WORD_BITS),
        .ACTIVATION_BITS(ACTIVATION_BITS), .ACC_BITS(ACC_BITS), .SIGNAL(SIGNAL), .LOADED(LOADED),
        .SLOT_LOG(SLOT_LOG), .LINKS_FILE(LINKS_FILE), .WEIGHTS_FILE(WEIGHTS_FILE)
    ) row (
        .clk(clk), .rst(rst), .load(load), .load_data(load_data), .rewind(start), .weights_at(weights_at), .start(state == BEGIN), .perturb(signal),
        .bias(bias), .channel(channel), .base(base), .first(first), .readers(readers), .parents(parents), .lifts(lifts), .normal(normal), .index(index),
        .eta(eta), .h(h), .busy(summing), .acc(acc)
    );
    localnoise_round #(
        .ACC_BITS(ACC_BITS), .WORD_BITS(WORD_BITS), .FRACTION_BITS(FRACTION_BITS), .ROUNDING(ROUNDING), .WRAP(WRAP)
    ) rounded (
        .clk(clk), .acc(acc), .fraction(fraction), .random(random), .word(word)
    );

    generate
        if (SIGNAL != 0) begin : reading
            reg  [BIAS_BITS-1:0] at;
            wire [BIAS_BITS-1:0] then = start ? biases_at : (sent ? at + 1'b1 : at);
            wire [ ACC_BITS-1:0] stored;
            localnoise_ram #(.WIDTH(ACTIVATION_BITS), .DEPTH(NEURONS), .INDEX(INDEX_BITS)) activations (
                .clk(clk), .write(h_write), .target(h_index), .value(h_data), .index(index), .data(h)
            );
            localnoise_rom #(
                .WIDTH(ACC_BITS), .DEPTH(BIASES), .INDEX(BIAS_BITS), .FILE(BIAS_FILE)
            ) biases (
                .clk(clk), .index(then), .data(stored)
            );
            assign bias = signal ? stored : {ACC_BITS{1'b0}};
            always @(posedge clk) at <= then;
        end else begin : blind
            wire unused_here = &{1'b0, h_write, h_index, h_data, sent, signal, biases_at};
            assign h = {ACTIVATION_BITS{1'b0}};
            assign bias = {ACC_BITS{1'b0}};
        end
    endgenerate

    always @(posedge clk) begin
        case (state)
            IDLE:
            if (start) begin
                signal <= perturb;
                record <= {RECORD_BITS{1'b0}};
                channel <= {CHANNEL_BITS{1'b0}};
                first <= {LINK_BITS{1'b0}};
                state <= FETCH;
            end
            FETCH: state <= LOAD;
            LOAD: state <= skip ? NEXT : DRAW;
            DRAW: if (!drawing) state <= BEGIN;
            BEGIN: state <= ROW;
            ROW: if (!summing) state <= ROUND;
            ROUND: state <= OUT;
            OUT:
            if (word_ready) begin
                channel <= (channel == LAST) ? {CHANNEL_BITS{1'b0}} : channel + 1'b1;
                state <= (channel == LAST) ? NEXT : BEGIN;
            end
            NEXT: begin
                if (!skip) first <= first + {{(LINK_BITS - COUNT_BITS) {1'b0}}, links};
                if (record == END) fresh <= 1'b0;
                else record <= record + 1'b1;
                state <= (record == END) ? IDLE : (stop ? WAIT : FETCH);
            end
            WAIT: if (go_on) state <= FETCH;
            default: state <= IDLE;
        endcase
        if (rst) begin
            state <= IDLE;
            fresh <= 1'b1;
        end
    end
endmodule

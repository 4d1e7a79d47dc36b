// Weights that are loaded after power-up: single-port memory of 16-bit words, several weights to a word, the first one
// lowest. It is what an iCE40 UltraPlus has most of. A reset leaves them, and begins the next load at the first word.
module localnoise_store #(
    parameter WEIGHT_BITS = 8,
    parameter SLOT_LOG = 3,  // a weight takes 2^SLOT_LOG bits of a word
    parameter DEPTH = 2,
    parameter INDEX = 2
) (
    input  wire                   clk,
    input  wire                   rst,
    input  wire                   load,
    input  wire [           15:0] value,
    input  wire [      INDEX-1:0] index,
    output wire [WEIGHT_BITS-1:0] weight
);
    localparam SUB = 4 - SLOT_LOG;
    localparam LAST_WORD = DEPTH - 1;
    localparam [INDEX-SUB-1:0] LAST = LAST_WORD[INDEX-SUB-1:0], ZERO = {(INDEX - SUB) {1'b0}};

    reg  [         15:0] cells[0:DEPTH-1];
    reg  [         15:0] data;
    reg  [INDEX-SUB-1:0] next;
    wire [INDEX-SUB-1:0] address = load ? next : index[INDEX-1:SUB];

    always @(posedge clk) begin
        if (load) cells[address] <= value;
        else data <= cells[address];
    end

    always @(posedge clk) begin
        if (rst) next <= ZERO;
        else if (load) next <= (next == LAST) ? ZERO : next + 1'b1;
    end

    generate
        if (SUB == 0) begin : whole
            wire unused = &{1'b0, data};
            assign weight = data[WEIGHT_BITS-1:0];
        end else begin : part
            reg  [ SUB-1:0] slot;
            wire [     3:0] shift = {slot, {SLOT_LOG{1'b0}}};
            wire [    15:0] low = data >> shift;
            wire            unused = &{1'b0, low};
            always @(posedge clk) slot <= index[SUB-1:0];
            assign weight = low[WEIGHT_BITS-1:0];
        end
    endgenerate
endmodule

// What the engines share: the activation's way in, and the one stream of words out, which is also how an engine learns
// of the others' words. The lowest engine that has a word goes first; every engine waits while the reader does.
module localnoise_bus #(
    parameter ENGINES = 1,
    parameter NEURONS = 2,
    parameter INDEX_BITS = 2,
    parameter WORD_BITS = 12
) (
    input  wire                          clk,
    input  wire                          rst,
    input  wire                          go_valid,
    output wire                          go_ready,
    output wire                          start,
    input  wire                          h_valid,
    output wire                          h_ready,
    output wire                          h_write,
    output reg  [        INDEX_BITS-1:0] h_index,
    input  wire [           ENGINES-1:0] idle,
    input  wire [           ENGINES-1:0] waiting,
    output wire                          go_on,
    input  wire [           ENGINES-1:0] word_valid,
    output wire [           ENGINES-1:0] word_ready,
    input  wire [ENGINES*INDEX_BITS-1:0] word_index,
    input  wire [ ENGINES*WORD_BITS-1:0] word_data,
    output wire                          eta_valid,
    input  wire                          eta_ready,
    output reg  [        INDEX_BITS-1:0] eta_index,
    output reg  [         WORD_BITS-1:0] eta_data,
    output wire                          eta_last,
    output wire                          bus_write
);
    localparam LAST_NEURON = NEURONS - 1;
    localparam [INDEX_BITS-1:0] LAST = LAST_NEURON[INDEX_BITS-1:0], ZERO = {INDEX_BITS{1'b0}};
    

    reg [INDEX_BITS-1:0] count;
    integer              engine;

    assign go_ready = &idle;
    assign start = go_ready && go_valid;
    assign h_ready = go_ready && !go_valid;
    assign h_write = h_ready && h_valid;
    assign go_on = &waiting;
    assign eta_valid = |word_valid;
    assign eta_last = eta_valid && (count == LAST);
    assign bus_write = eta_valid && eta_ready;
    assign word_ready = word_valid & (~word_valid + 1'b1) & {ENGINES{eta_ready}};

    always @* begin
        eta_index = ZERO;
        eta_data = {WORD_BITS{1'b0}};
        for (engine = ENGINES - 1; engine >= 0; engine = engine - 1) begin
            if (word_valid[engine]) begin
                eta_index = word_index[engine*INDEX_BITS+:INDEX_BITS];
                eta_data = word_data[engine*WORD_BITS+:WORD_BITS];
            end
        end
    end

    always @(posedge clk) begin
        if (rst || start) h_index <= ZERO;
        else if (h_write) h_index <= (h_index == LAST) ? ZERO : h_index + 1'b1;
        if (rst || start) count <= ZERO;
        else if (bus_write) count <= (count == LAST) ? ZERO : count + 1'b1;
    end
endmodule

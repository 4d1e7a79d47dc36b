// The random words of one unit's draw: a Gaussian word of each channel in turn, then, with stochastic rounding, 32 bits
// of each. `start` takes the generator's state; when `busy` falls, `state` is where the next draw goes on.
module localnoise_random #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter NORMAL_BYTES = 8,
    parameter POPCOUNT = 0,
    parameter STOCHASTIC = 0,
    parameter [31:0] TAPS = 32'd0
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire                    start,
    input  wire [            31:0] from,
    output reg                     busy,
    output reg  [            31:0] state,
    input  wire [CHANNEL_BITS-1:0] channel,
    output wire [            13:0] normal,
    output wire [            31:0] random
);
    localparam [4:0] BYTES = NORMAL_BYTES[4:0];
    localparam [4:0] A_STEP = (TAPS == 32'd0) ? 5'd4 : 5'd1;
    localparam [13:0] MIDDLE = (POPCOUNT != 0) ? 14'd8 * {9'd0, BYTES} : 14'd255 * {9'd0, BYTES};
    localparam LAST_CHANNEL = CHANNELS - 1;
    localparam [CHANNEL_BITS-1:0] LAST = LAST_CHANNEL[CHANNEL_BITS-1:0];

    reg [CHANNEL_BITS-1:0] at;
    reg                    rounding;  // the words for rounding follow the Gaussian ones
    reg [             4:0] left;  // bytes of this word that are still to come
    reg [            11:0] sum;
    reg [            23:0] early;  // bytes of this rounding word that have come

    wire [31:0] next;
    wire [ 9:0] part;
    wire [ 4:0] some = (left < A_STEP) ? left : A_STEP;
    wire [11:0] total = sum + {2'd0, part};
    wire        last = left == some;
    wire [31:0] whole = (TAPS == 32'd0) ? next : {next[7:0], early};

    localnoise_step #(.TAPS(TAPS)) step (.state(state), .next(next));
    localnoise_bytes #(.POPCOUNT(POPCOUNT)) bytes (.word(next), .some(some[2:0]), .total(part));

    localnoise_ram #(.WIDTH(14), .DEPTH((CHANNELS < 2) ? 2 : CHANNELS), .INDEX(CHANNEL_BITS)) normals (
        .clk(clk), .write(busy && !rounding && last), .target(at), .value({1'd0, total, 1'd0} - MIDDLE),
        .index(channel), .data(normal)
    );
    generate
        if (STOCHASTIC != 0) begin : stochastic
            localnoise_ram #(.WIDTH(32), .DEPTH((CHANNELS < 2) ? 2 : CHANNELS), .INDEX(CHANNEL_BITS)) randoms (
                .clk(clk), .write(busy && rounding && last), .target(at), .value(whole),
                .index(channel), .data(random)
            );
        end else begin : deterministic
            wire unused = &{1'b0, whole};
            assign random = 32'd0;
        end
    endgenerate

    always @(posedge clk) begin
        if (rst) begin
            busy <= 1'b0;
        end else if (start) begin
            busy <= 1'b1;
            state <= from;
            at <= {CHANNEL_BITS{1'b0}};
            rounding <= 1'b0;
            left <= BYTES;
            sum <= 12'd0;
        end else if (busy) begin
            state <= next;
            early <= {next[7:0], early[23:8]};
            sum <= last ? 12'd0 : total;
            left <= last ? (rounding ? 5'd4 : BYTES) : left - some;
            if (last) begin
                at <= (at == LAST) ? {CHANNEL_BITS{1'b0}} : at + 1'b1;
                if (at == LAST) begin
                    rounding <= 1'b1;
                    left <= 5'd4;
                    busy <= (STOCHASTIC != 0) && !rounding;
                end
            end
        end
    end
endmodule

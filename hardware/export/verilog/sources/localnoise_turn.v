// Whose turn the next draw of a bank is: the upper 32 bits r of a hash of a count (the finaliser of SplitMix64) against a
// threshold a member. The last member whose threshold r reaches; below the first, the draw is silent. Two products of 64
// bits, a bit a clock: some 130 clocks, which pass while a draw runs. From `start` on it is that draw's turn.
module localnoise_turn #(
    parameter MEMBERS = 1,
    parameter MEMBER_BITS = 1,
    parameter [63:0] TURN = 64'd0,
    parameter [32*MEMBERS-1:0] THRESHOLDS = 0  // the first lowest
) (
    input  wire                   clk,
    input  wire                   rst,
    input  wire                   start,
    output wire                   ready,
    output wire [MEMBER_BITS-1:0] member,
    output wire                   silent
);
    localparam [1:0] BEGIN = 2'd0, FIRST = 2'd1, SECOND = 2'd2, READY = 2'd3;

    reg  [            1:0] state;
    reg  [           63:0] count, a, b, p;
    reg  [           31:0] r;
    reg  [MEMBER_BITS-1:0] drawing, next;
    reg                    quiet, still;
    reg  [           32:0] below;
    integer                k;

    wire [63:0] mixed = p ^ (p >> 31);
    wire        unused = &{1'b0, mixed[31:0], below[31:0]};

    assign ready = state == READY;
    assign member = start ? next : drawing;
    assign silent = start ? still : quiet;

    always @* begin
        next = {MEMBER_BITS{1'b0}};
        still = 1'b1;
        below = 33'd0;
        for (k = 0; k < MEMBERS; k = k + 1) begin
            below = {1'b0, r} - {1'b0, THRESHOLDS[32*k+:32]};
            if (!below[32]) begin
                next = k[MEMBER_BITS-1:0];
                still = 1'b0;
            end
        end
    end

    always @(posedge clk) begin
        if (start) {drawing, quiet} <= {next, still};
        case (state)
            BEGIN: begin
                a <= count ^ (count >> 30);
                b <= 64'hBF58476D1CE4E5B9;
                p <= 64'd0;
                count <= count + 64'd1;
                state <= FIRST;
            end
            READY: if (start) state <= BEGIN;
            default:
            if (a != 64'd0) begin
                if (a[0]) p <= p + b;
                a <= a >> 1;
                b <= b << 1;
            end else begin
                a <= p ^ (p >> 27);
                b <= 64'h94D049BB133111EB;
                if (state == FIRST) p <= 64'd0;
                r <= mixed[63:32];
                state <= (state == FIRST) ? SECOND : READY;
            end
        endcase
        if (rst) begin
            state <= BEGIN;
            count <= TURN;
        end
    end
endmodule

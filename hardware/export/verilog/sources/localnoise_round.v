// word(round(acc 2^-fraction)), two clocks later. ROUNDING: 0 half up, 1 half to even, 2 stochastic.
module localnoise_round #(
    parameter ACC_BITS = 32,
    parameter WORD_BITS = 12,
    parameter FRACTION_BITS = 5,
    parameter ROUNDING = 0,
    parameter WRAP = 0
) (
    input  wire                     clk,
    input  wire [     ACC_BITS-1:0] acc,
    input  wire [FRACTION_BITS-1:0] fraction,
    input  wire [             31:0] random,
    output reg  [    WORD_BITS-1:0] word
);
    wire [ACC_BITS-1:0] one = {{(ACC_BITS - 1) {1'b0}}, 1'b1} << fraction;
    wire [ACC_BITS-1:0] low = one - 1'b1;
    wire [ACC_BITS-1:0] half = one >> 1;
    wire [ACC_BITS-1:0] wide;  // the random word, cut or filled to the accumulator's width
    generate
        if (ACC_BITS > 32) begin : filled
            assign wide = {{(ACC_BITS - 32) {1'b0}}, random};
        end else begin : cut
            assign wide = random[ACC_BITS-1:0];
        end
    endgenerate

    reg  [ACC_BITS-1:0] sum;
    reg                 tie;
    wire [ACC_BITS-1:0] floor = $signed(sum) >>> fraction;
    wire [ACC_BITS-1:0] value = {floor[ACC_BITS-1:1], floor[0] & ~tie};
    wire                fits = (&value[ACC_BITS-1:WORD_BITS-1]) | ~(|value[ACC_BITS-1:WORD_BITS-1]);
    wire                negative = value[ACC_BITS-1];

    always @(posedge clk) begin
        sum <= acc + ((ROUNDING == 2) ? (wide & low) : half);
        tie <= (ROUNDING == 1) && (fraction != {FRACTION_BITS{1'b0}}) && ((acc & low) == half);
        word <= (fits || (WRAP != 0)) ? value[WORD_BITS-1:0] : {negative, {(WORD_BITS - 1) {~negative}}};
    end
endmodule

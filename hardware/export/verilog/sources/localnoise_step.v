// One step of a unit's generator: 32 fresh bits of xorshift32 (TAPS = 0), or eight ticks of an LFSR for a byte.
module localnoise_step #(
    parameter [31:0] TAPS = 32'd0
) (
    input  wire [31:0] state,
    output wire [31:0] next
);
    genvar tick;
    generate
        if (TAPS == 32'd0) begin : xorshift
            wire [31:0] first = state ^ (state << 13);
            wire [31:0] second = first ^ (first >> 17);
            assign next = second ^ (second << 5);
        end else begin : lfsr
            wire [287:0] chain;
            assign chain[31:0] = state;
            for (tick = 0; tick < 8; tick = tick + 1) begin : ticks
                assign chain[32*tick+32+:32] = (chain[32*tick+:32] >> 1) ^ ({32{chain[32*tick]}} & TAPS);
            end
            assign next = chain[287:256];
        end
    endgenerate
endmodule

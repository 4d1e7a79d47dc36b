// What the lowest `some` bytes of a random word add to a Gaussian one: their sum, or their ones.
module localnoise_bytes #(
    parameter POPCOUNT = 0
) (
    input  wire [31:0] word,
    input  wire [ 2:0] some,
    output wire [ 9:0] total
);
    wire [39:0] parts;
    genvar place, bit_;
    generate
        for (place = 0; place < 4; place = place + 1) begin : bytes
            wire [7:0] value = (some > place) ? word[8*place+:8] : 8'd0;
            if (POPCOUNT != 0) begin : ones
                wire [3:0] pairs[0:7];
                for (bit_ = 0; bit_ < 8; bit_ = bit_ + 1) begin : each
                    assign pairs[bit_] = {3'd0, value[bit_]};
                end
                assign parts[10*place+:10] = {6'd0, ((pairs[0] + pairs[1]) + (pairs[2] + pairs[3]))
                                                    + ((pairs[4] + pairs[5]) + (pairs[6] + pairs[7]))};
            end else begin : sum
                assign parts[10*place+:10] = {2'd0, value};
            end
        end
    endgenerate
    assign total = (parts[9:0] + parts[19:10]) + (parts[29:20] + parts[39:30]);
endmodule

// A table, one word a clock: data belongs to the index of the clock before.
module localnoise_rom #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter INDEX = 1,
    parameter FILE = ""
) (
    input  wire             clk,
    input  wire [INDEX-1:0] index,
    output reg  [WIDTH-1:0] data
);
    reg [WIDTH-1:0] cells[0:DEPTH-1];

    initial $readmemh(FILE, cells);

    always @(posedge clk) data <= cells[index];
endmodule

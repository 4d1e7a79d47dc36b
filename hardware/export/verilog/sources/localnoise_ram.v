// Words in memory, one written and one read a clock: data belongs to the index of the clock before.
module localnoise_ram #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter INDEX = 1
) (
    input  wire             clk,
    input  wire             write,
    input  wire [INDEX-1:0] target,
    input  wire [WIDTH-1:0] value,
    input  wire [INDEX-1:0] index,
    output reg  [WIDTH-1:0] data
);
    reg [WIDTH-1:0] cells[0:DEPTH-1];

    always @(posedge clk) begin
        if (write) cells[target] <= value;
        data <= cells[index];
    end
endmodule

// The accumulator of one channel: bias + 2^lift0 G h_R(u) + 2^lift1 (B eta_P(u) + L eta_u) + 2^lift2 s xi, one product a
// clock. It walks the unit's links, as packed: those to activations, those to parents, its earlier channels, the noise.
module localnoise_row #(
    parameter CHANNELS = 1,
    parameter CHANNEL_BITS = 1,
    parameter INDEX_BITS = 1,
    parameter LINKS = 1,
    parameter LINK_BITS = 1,
    parameter COUNT_BITS = 1,
    parameter LIFT_BITS = 1,
    parameter WEIGHTS = 1,
    parameter WEIGHT_INDEX = 1,
    parameter WEIGHT_BITS = 8,
    parameter WORD_BITS = 12,
    parameter ACTIVATION_BITS = 8,
    parameter ACC_BITS = 32,
    parameter SIGNAL = 0,
    parameter LOADED = 0,
    parameter SLOT_LOG = 3,
    parameter LINKS_FILE = "",
    parameter WEIGHTS_FILE = ""
) (
    input  wire                       clk,
    input  wire                       rst,
    input  wire                       load,
    input  wire [               15:0] load_data,
    input  wire                       rewind,  // to the weight at weights_at: a draw begins
    input  wire [   WEIGHT_INDEX-1:0] weights_at,
    input  wire                       start,
    input  wire                       perturb,
    input  wire [       ACC_BITS-1:0] bias,
    input  wire [   CHANNEL_BITS-1:0] channel,
    input  wire [     INDEX_BITS-1:0] base,
    input  wire [      LINK_BITS-1:0] first,
    input  wire [     COUNT_BITS-1:0] readers,
    input  wire [     COUNT_BITS-1:0] parents,
    input  wire [    3*LIFT_BITS-1:0] lifts,
    input  wire [               13:0] normal,
    output wire [     INDEX_BITS-1:0] index,  // of the word that the next clock must bring
    input  wire [      WORD_BITS-1:0] eta,
    input  wire [ACTIVATION_BITS-1:0] h,
    output wire                       busy,
    output reg  [       ACC_BITS-1:0] acc
);
    localparam [1:0] READ = 2'd0, NEAR = 2'd1, EARLIER = 2'd2, NOISE = 2'd3;
    localparam LAST_CHANNEL = CHANNELS - 1;
    localparam [CHANNEL_BITS-1:0] LAST = LAST_CHANNEL[CHANNEL_BITS-1:0], ZERO = {CHANNEL_BITS{1'b0}};
    localparam [COUNT_BITS-1:0] NONE = {COUNT_BITS{1'b0}}, ONE = {{(COUNT_BITS - 1) {1'b0}}, 1'b1};

    // Clock 0: which product. Clock 1: where its word lies. Clock 2: the product. Clocks 3, 4: lifted, added.
    reg                     active, valid1, valid2, valid3, valid4;
    reg  [             1:0] kind, kind1, kind2, kind3;
    reg  [CHANNEL_BITS-1:0] at, at1;
    reg  [   LINK_BITS-1:0] link;
    reg  [  COUNT_BITS-1:0] left;
    reg  [WEIGHT_INDEX-1:0] weight;
    reg  [            31:0] product;
    reg  [    ACC_BITS-1:0] lifted;

    wire [  INDEX_BITS-1:0] link_base;
    wire [ WEIGHT_BITS-1:0] factor;
    wire [             1:0] own = (channel != ZERO) ? EARLIER : NOISE;
    wire [             1:0] near = (parents != NONE) ? NEAR : own;
    wire                    linked = (kind == READ) || (kind == NEAR);
    wire                    over = linked ? (at == LAST) && (left == ONE) : (kind == NOISE) || (at == channel - 1'b1);
    wire [  INDEX_BITS-1:0] offset = {{(INDEX_BITS - CHANNEL_BITS) {1'b0}}, at1};

    localnoise_rom #(.WIDTH(INDEX_BITS), .DEPTH(LINKS), .INDEX(LINK_BITS), .FILE(LINKS_FILE)) links (
        .clk(clk), .index(link), .data(link_base)
    );
    generate
        if (LOADED != 0) begin : loaded
            localnoise_store #(
                .WEIGHT_BITS(WEIGHT_BITS), .SLOT_LOG(SLOT_LOG), .DEPTH(WEIGHTS), .INDEX(WEIGHT_INDEX)
            ) weights (
                .clk(clk), .rst(rst), .load(load), .value(load_data), .index(weight), .weight(factor)
            );
        end else begin : fixed
            wire unused = &{1'b0, load, load_data};
            localnoise_rom #(
                .WIDTH(WEIGHT_BITS), .DEPTH(WEIGHTS), .INDEX(WEIGHT_INDEX), .FILE(WEIGHTS_FILE)
            ) weights (
                .clk(clk), .index(weight), .data(factor)
            );
        end
    endgenerate
    assign index = ((kind1 == EARLIER) ? base : link_base) + offset;

    wire signed [15:0] word = {{(17 - WORD_BITS) {eta[WORD_BITS-1]}}, eta[WORD_BITS-2:0]};
    wire signed [15:0] activation = {{(17 - ACTIVATION_BITS) {h[ACTIVATION_BITS-1]}}, h[ACTIVATION_BITS-2:0]};
    wire signed [15:0] xi = {{2{normal[13]}}, normal};
    wire signed [15:0] read = ((SIGNAL != 0) && perturb) ? activation : 16'sd0;
    wire signed [15:0] operand = (kind2 == READ) ? read : ((kind2 == NOISE) ? xi : word);
    wire signed [15:0] multiplier = {{(17 - WEIGHT_BITS) {factor[WEIGHT_BITS-1]}}, factor[WEIGHT_BITS-2:0]};
    wire [LIFT_BITS-1:0] lift = (kind3 == READ) ? lifts[LIFT_BITS-1:0]
                              : ((kind3 == NOISE) ? lifts[3*LIFT_BITS-1:2*LIFT_BITS] : lifts[2*LIFT_BITS-1:LIFT_BITS]);
    wire [ACC_BITS-1:0] extended;
    generate
        if (ACC_BITS > 32) begin : filled
            assign extended = {{(ACC_BITS - 32) {product[31]}}, product};
        end else begin : cut
            assign extended = product[ACC_BITS-1:0];
        end
    endgenerate

    assign busy = active || valid1 || valid2 || valid3 || valid4;

    always @(posedge clk) begin
        {valid1, kind1, at1} <= {active, kind, at};
        {valid2, kind2} <= {valid1, kind1};
        {valid3, kind3} <= {valid2, kind2};
        valid4 <= valid3;
        product <= operand * multiplier;
        lifted <= extended << lift;
        if (valid4) acc <= acc + lifted;
        if (rewind) weight <= weights_at;
        else if (valid1) weight <= weight + 1'b1;

        if (start) begin
            active <= 1'b1;
            kind <= (readers != NONE) ? READ : near;
            left <= (readers != NONE) ? readers : parents;
            link <= first;
            at <= ZERO;
            acc <= bias;
        end else if (active) begin
            at <= (over || (linked && at == LAST)) ? ZERO : at + 1'b1;
            if (linked && at == LAST) begin
                link <= link + 1'b1;
                left <= (left == ONE) ? parents : left - ONE;
            end
            if (over) begin
                kind <= (kind == READ) ? near : ((kind == NEAR) ? own : NOISE);
                active <= kind != NOISE;
            end
        end
        if (rst) {active, valid1, valid2, valid3, valid4} <= 5'd0;
    end
endmodule

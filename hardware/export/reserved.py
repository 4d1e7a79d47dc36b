"""Names that an artefact cannot have: others have them already."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# C99.
C_KEYWORDS = _words("""
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
""")

# C++, which calls the C runtime.
CPP_KEYWORDS = _words("""
    alignas alignof and and_eq asm bitand bitor bool catch char8_t char16_t char32_t class co_await co_return co_yield
    compl concept const_cast consteval constexpr constinit decltype delete dynamic_cast explicit export false friend
    mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public reinterpret_cast
    requires static_assert static_cast template this thread_local throw true try typeid typename using virtual wchar_t
    xor xor_eq
""")

# NAME.h would be found in a system header's place; and C's main.
C_HEADERS = _words("""
    aeabi alloca assert complex ctype errno fenv float inttypes io iso646 limits locale main malloc math memory new
    process setjmp signal stdalign stdarg stdatomic stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string
    strings tgmath threads time types uchar unistd wchar wctype
""")

# IEEE 1364-2005.
VERILOG_KEYWORDS = _words("""
    always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign default defparam
    design disable edge else end endcase endconfig endfunction endgenerate endmodule endprimitive endspecify endtable
    endtask event for force forever fork function generate genvar highz0 highz1 if ifnone incdir include initial inout
    input instance integer join large liblist library localparam macromodule medium module nand negedge nmos nor
    noshowcancelled not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat rnmos rpmos rtran rtranif0 rtranif1
    scalared showcancelled signed small specify specparam strong0 strong1 supply0 supply1 table task time tran tranif0
    tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire vectored wait wand weak0 weak1 while wire wor xnor xor
""")

# What IEEE 1800 adds.
SYSTEM_VERILOG_KEYWORDS = _words("""
    accept_on alias always_comb always_ff always_latch assert assume before bind bins binsof bit break byte chandle
    checker class clocking const constraint context continue cover covergroup coverpoint cross dist do endchecker
    endclass endclocking endgroup endinterface endpackage endprogram endproperty endsequence enum eventually expect
    export extends extern final first_match foreach forkjoin global iff ignore_bins illegal_bins implements implies
    import inside int interconnect interface intersect join_any join_none let local logic longint matches modport
    nettype new nexttime null package packed priority program property protected pure rand randc randcase randsequence
    ref reject_on restrict return s_always s_eventually s_nexttime s_until s_until_with sequence shortint shortreal
    soft solve static string strong struct super sync_accept_on sync_reject_on tagged this throughout timeprecision
    timeunit type typedef union unique unique0 unsigned until until_with untyped var virtual void wait_order weak
    wildcard with within
""")

# Patterns of the top module's ports, nets and instances.
IN_TOP_MODULE = _words("""
    clk rst go_valid go_ready go_perturb load_valid load_ready load_data h_valid h_ready h_data eta_valid eta_ready
    eta_index eta_data eta_last INDEX_BITS WORD_BITS start go_on h_write bus_write h_index idle waiting valid ready
    indices words bus grid engine engine[0-9]+ units_at[0-9]+ weights_at[0-9]+ biases_at[0-9]+ turn_ready silent
    bus_ready member turns
""")

# Patterns; Windows has no files of these names.
DEVICES = _words("""
    aux con nul prn com[0-9] lpt[0-9]
""")

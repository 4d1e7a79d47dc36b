"""Verilog: written (`write`), simulated by Verilator (`simulated`), synthesised and placed (`placed`)."""

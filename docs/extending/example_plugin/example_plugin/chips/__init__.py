"""Profiles of chips, one TOML each, by the chip's name."""

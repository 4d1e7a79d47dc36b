"""Experiments: data, modifications, attacks, networks, arms, records, figures and the command line."""

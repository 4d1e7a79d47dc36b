"""How an experiment runs: sources, threats, settings, cells; a seed's workbench; the runner; processes that resume."""

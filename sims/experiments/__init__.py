"""How an experiment runs: settings and cells, one seed's workbench, the runner of a cell, processes that resume."""

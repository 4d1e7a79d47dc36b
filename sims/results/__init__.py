"""Records and the statistics of them: what is stored, what is computed from it. They know no experiment."""

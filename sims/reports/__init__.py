"""Reports of experiments: records, and the intervals, tables and figures that are made from records alone."""

"""What an experiment says: records, and the intervals, tables and figures that are made from records alone."""

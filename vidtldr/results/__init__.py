"""What a run leaves: records, samples, tables, the report, TensorBoard."""

"""Training in several processes: each learns from its share of the batches."""

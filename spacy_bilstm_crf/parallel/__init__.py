"""Prediction of large files by several processes: shards that are done stay done."""

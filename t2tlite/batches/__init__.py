"""Shards to batches: examples, a plan of their order, arrays. Knows no problem and no model."""

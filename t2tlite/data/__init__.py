"""Samples to shards, and shards to batches. Nothing here knows what a problem or a model is."""

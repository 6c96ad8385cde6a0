"""Samples to shards, and shards to batches; knows neither problems nor models."""

"""Samples to shards, and shards to records; knows neither problems nor models."""

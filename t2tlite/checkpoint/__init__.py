"""The model folder: run record, weights, warm start, log of evaluations."""

"""Searches for the best answer: greedy, sampling and beam search over any model's step."""

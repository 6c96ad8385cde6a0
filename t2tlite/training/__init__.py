"""Training: the problem made ready, the loop, and what happens between steps."""

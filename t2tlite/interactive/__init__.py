"""`t2t-decoder --decode_interactive`: a prompt on a terminal, or lines from a pipe."""

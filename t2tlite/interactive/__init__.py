"""The prompt of `t2t-decoder --decode_interactive`."""

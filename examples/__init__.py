"""The examples; `t2t-example` copies one into a folder of the user's."""

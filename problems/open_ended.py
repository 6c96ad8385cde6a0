"""How problems decode whose inputs have many good answers, such as the next line of verse."""

# A search for the likeliest line ends with the same few for nearly every input.
SAMPLING = {"sampling_method": "random", "sampling_temp": 0.7, "sampling_top_p": 0.9}

"""Tables to samples: files of rows are read, cleaned and split without code of a user's."""

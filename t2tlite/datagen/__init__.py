"""Commands over `data/`: make a data folder, on one machine or with Apache Beam, and inspect it."""

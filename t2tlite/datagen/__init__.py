"""Generates data folders, on one machine or with Apache Beam, and inspects them."""

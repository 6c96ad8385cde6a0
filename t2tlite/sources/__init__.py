"""Where raw text comes from: downloads, text files, parallel corpora, cleaning."""

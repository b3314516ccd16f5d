"""Corpus files in, DocBin out."""

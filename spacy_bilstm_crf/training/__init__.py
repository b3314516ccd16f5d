"""Training that can be interrupted: what `spacy train` does, with a checkpoint."""

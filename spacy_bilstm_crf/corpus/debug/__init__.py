"""What a corpus looks like to a pipeline: figures, and warnings about them."""

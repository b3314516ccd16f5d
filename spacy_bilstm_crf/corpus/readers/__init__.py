"""One reader per family of file formats: a path in, sentences out."""

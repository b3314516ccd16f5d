"""Whether everything that this package needs is there, and works."""

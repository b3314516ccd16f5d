"""How good a pipeline is, and how far its confidence can be trusted."""

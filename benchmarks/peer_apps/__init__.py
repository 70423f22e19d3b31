"""The peers: the same two models behind other servers, each in its own environment."""

"""The registry: which model has which role, how that came about, and whether it may."""

"""The valuation domain: pure functions and arrays; no framework, clock or network."""

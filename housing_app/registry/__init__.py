"""Which models may serve, and why."""

"""A2A: services as agents for other agents."""

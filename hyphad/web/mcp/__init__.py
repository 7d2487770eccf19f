"""MCP: services as tools, resources and prompts for AI assistants."""

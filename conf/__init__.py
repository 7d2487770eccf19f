"""Configuration files to copy."""

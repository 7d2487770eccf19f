"""Files of the web pages."""

"""Bytes of HTTP and WebSocket to the domain and back: parse, ask, answer."""

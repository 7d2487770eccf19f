"""The services that hyphad itself offers over RPC."""

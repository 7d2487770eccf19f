"""RPC on the wire: frames, values, links, the router and the server's own peers."""

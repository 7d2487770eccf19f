"""Who is it: keys, tokens, accounts, admission of connections."""

"""The domain: addresses, identities, records, registries, policy, events, errors. No I/O."""

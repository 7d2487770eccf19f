"""SQLite: one connection that writes, and a module for each family of tables."""

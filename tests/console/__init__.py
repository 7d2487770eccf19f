"""Tests of the console: a package, so that they share one daemon and one browser."""

"""pytest plugin: fixtures for filters under test."""

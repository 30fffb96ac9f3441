"""The monitor: draws rows for people with a login."""

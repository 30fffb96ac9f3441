"""What the coordinator and the monitor must agree on: rows, the stores that keep them, and accounts."""

"""What the coordinator and a site must agree on: configuration, messages, errors and logs."""

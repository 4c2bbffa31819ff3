"""What everything stands on: errors, randomness by name, processor cores."""

"""Questions among fewer rows: those that are alike in something, or share nothing with what they are compared to."""

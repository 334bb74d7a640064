"""What the status of each object of the nine kinds says: pure, from what was resolved, compiled and acknowledged."""

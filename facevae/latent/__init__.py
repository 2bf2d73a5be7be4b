"""Pure functions and small objects on z."""

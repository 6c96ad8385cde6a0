"""The console commands: each defines flags and makes one call into another package."""

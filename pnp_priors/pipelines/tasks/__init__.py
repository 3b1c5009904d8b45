"""The restorers, one module per task."""

"""What the pipelines of each task may say, one module per task. No torch here."""

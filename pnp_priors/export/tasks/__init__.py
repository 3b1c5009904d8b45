"""What the graphs of each task take, one module per task: inputs, tolerance, examples, cases."""

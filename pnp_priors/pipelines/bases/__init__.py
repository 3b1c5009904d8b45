"""What the restorers of both engines share, torch's and ONNX Runtime's: noise levels, words, files.

No torch here. One module for all tasks, and one per task.
"""

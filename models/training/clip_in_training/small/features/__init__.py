"""`features.onnx`: maps of the frozen pre-trained tower, for inspection."""

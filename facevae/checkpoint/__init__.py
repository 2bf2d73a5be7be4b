"""Checkpoints: folders of safetensors and JSON, local or on the Hub. Import the modules: `metadata` must stay free of torch."""

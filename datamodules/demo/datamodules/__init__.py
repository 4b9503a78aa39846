"""The demo's datamodules."""

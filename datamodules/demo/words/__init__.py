"""Words of the demo's captions, questions and class names."""

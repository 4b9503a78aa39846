"""What fine-tuning shares: optimisers and mixed labels."""

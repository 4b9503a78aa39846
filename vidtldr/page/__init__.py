"""The command ``python -m vidtldr.page``: runs as a page that opens from disk."""

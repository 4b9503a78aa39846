"""From annotation files to records, and from names of videos to their files."""

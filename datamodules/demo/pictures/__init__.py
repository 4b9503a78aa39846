"""Pictures of the demo's videos: scenes, photographs, rendering."""

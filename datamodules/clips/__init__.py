"""From a video file to the frames that a sampler asks for."""

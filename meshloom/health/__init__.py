"""Whether the program lives, is ready, and how it does: for the machines that watch over it."""

"""The model: what people wrote, what it means, and what is wrong with it. Pure."""

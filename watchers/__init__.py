"""The senses: where resources come from, and how their changes reach the rest."""

"""What the commands of the CLI do, one module each, imported only when its command is given."""

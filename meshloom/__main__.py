"""`python -m meshloom`: the command line.

Law: nothing happens here.
"""

from meshloom import cli

if __name__ == "__main__":
    cli.main()

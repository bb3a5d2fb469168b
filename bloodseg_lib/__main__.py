"""``python -m bloodseg_lib``: the command line."""

from bloodseg_lib.cli import main

if __name__ == "__main__":
    main()

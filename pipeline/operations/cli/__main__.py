"""`python -m pipeline.operations.cli` is the command too: how `up` starts its children, whatever is on the PATH."""

from pipeline.operations.cli import main

if __name__ == "__main__":
    main()

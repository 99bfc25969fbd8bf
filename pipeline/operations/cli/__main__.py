"""`python -m pipeline.operations.cli` runs the command too: `up` starts its children so, independent of the PATH."""

from pipeline.operations.cli import main

if __name__ == "__main__":
    main()

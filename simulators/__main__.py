"""`python -m simulators FLEET.yaml …`: the command `simulate` on its own."""

from simulators.cli import simulate

if __name__ == "__main__":
    simulate(prog_name="python -m simulators")

"""`python -m kairos` is the `kairos` command."""

from kairos.cli import main

if __name__ == "__main__":
    main(prog_name="kairos")

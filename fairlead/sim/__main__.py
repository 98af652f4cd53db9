"""`python -m fairlead.sim` is `fairlead sim`."""

from fairlead.sim.command import sim

if __name__ == "__main__":
    sim(prog_name="fairlead sim")

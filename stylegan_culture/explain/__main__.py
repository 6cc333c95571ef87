"""`python -m stylegan_culture.explain`."""

import sys

from stylegan_culture import explain
from stylegan_culture.config import run_command

if __name__ == "__main__":
    sys.exit(run_command(explain.main))

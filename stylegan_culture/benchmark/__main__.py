"""`python -m stylegan_culture.benchmark`."""

import sys

from stylegan_culture.benchmark import main
from stylegan_culture.config import run_command

if __name__ == "__main__":
    sys.exit(run_command(main))

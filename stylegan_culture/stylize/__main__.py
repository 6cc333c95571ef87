"""`python -m stylegan_culture.stylize`."""

import sys

from stylegan_culture import stylize
from stylegan_culture.config import run_command

if __name__ == "__main__":
    sys.exit(run_command(stylize.main))

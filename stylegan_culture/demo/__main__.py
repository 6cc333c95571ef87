"""`python -m stylegan_culture.demo`."""

import sys

from stylegan_culture import demo
from stylegan_culture.config import run_command

if __name__ == "__main__":
    sys.exit(run_command(demo.main))

"""`python -m stylegan_culture.train`."""

import sys

from stylegan_culture import train
from stylegan_culture.config import run_command

if __name__ == "__main__":
    sys.exit(run_command(train.main))

"""`python -m stylegan_culture.study`."""

import sys

from stylegan_culture import study
from stylegan_culture.config import run_command

if __name__ == "__main__":
    sys.exit(run_command(study.main))

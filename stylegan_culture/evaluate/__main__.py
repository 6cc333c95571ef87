"""`python -m stylegan_culture.evaluate`."""

import sys

from stylegan_culture import evaluate
from stylegan_culture.config import run_command

if __name__ == "__main__":
    sys.exit(run_command(evaluate.main))

"""`python -m stylegan_culture.study`."""

import os
import sys

# Read when NumPy is loaded. Thousands of roots of small matrices gain nothing from a second thread,
# and beside other work the waiting of threads for each other takes thirty times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from stylegan_culture import study
from stylegan_culture.config import run_command

if __name__ == "__main__":
    sys.exit(run_command(study.main))

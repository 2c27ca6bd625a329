"""`python -m training.detector`"""

from training.common import command
from training.detector.train import main

if __name__ == "__main__":
    command.run(main)

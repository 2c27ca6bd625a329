"""`python -m training.aligner`"""

from training.aligner.train import main
from training.common import command

if __name__ == "__main__":
    command.run(main)

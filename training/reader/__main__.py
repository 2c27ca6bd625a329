"""`python -m training.reader`"""

from training.common import command
from training.reader.train import main

if __name__ == "__main__":
    command.run(main)

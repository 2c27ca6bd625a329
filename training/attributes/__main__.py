"""`python -m training.attributes`"""

from training.attributes.train import main
from training.common import command

if __name__ == "__main__":
    command.run(main)

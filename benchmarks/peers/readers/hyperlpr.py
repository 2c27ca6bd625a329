"""HyperLPR3, whose models it downloads if they are missing."""

import cv2
from _loop import serve


def load():
    import hyperlpr3

    reader = hyperlpr3.LicensePlateCatcher()
    return lambda path: [each[0] for each in reader(cv2.imread(path))]


serve(load)

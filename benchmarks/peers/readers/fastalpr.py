"""fast-alpr with its default models, which it downloads if they are missing."""

import cv2
from _loop import serve


def load():
    from fast_alpr import ALPR

    reader = ALPR()
    return lambda path: [each.ocr.text for each in reader.predict(cv2.imread(path)) if each.ocr]


serve(load)

"""fast-alpr with its default models, which it fetches where they are not there yet."""

import cv2
from _loop import serve


def load():
    from fast_alpr import ALPR

    reader = ALPR()
    return lambda path: [each.ocr.text for each in reader.predict(cv2.imread(path)) if each.ocr]


serve(load)

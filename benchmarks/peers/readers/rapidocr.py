"""RapidOCR: text of any kind, found and read by the models in its package."""

import cv2
from _loop import serve


def load():
    from rapidocr_onnxruntime import RapidOCR

    engine = RapidOCR()

    def read(path):
        found, _ = engine(cv2.imread(path))
        return [text for _, text, _ in found or ()]

    return read


serve(load)

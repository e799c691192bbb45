"""Draws CT phantoms with lesions.

    phantom.draw((seed, index))                               a Phantom: slices in HU, lesions with masks and RECIST
    python tools/phantom OUTDIR --count 10 --seed 1           writes them in the layout of DeepLesion (deeplesion.py)

A phantom is a function of (seed, index) alone.

What the drawings are for: a detector that is trained on them has to tell a lesion from the structures that look like
one in a single slice. Vessels are round and bright like nodules, but go on through the neighbouring slices; bowel
loops, the gallbladder and renal medulla are blobs that are no lesions. They are of no medical use.

Lengths are mm. x points to the image's right, y down (posterior), z from slice to slice; 0, 0, 0 is the centre of the
key slice.

A section of the body is a list of shapes (shapes.py) in painting order. body.py frames it, chest.py, abdomen.py and
pelvis.py fill it from bones.py, vessels.py, bowel.py and organs.py, lesions.py finds room for lesions, lookalikes.py
(where asked for) for what is none but looks like one, canvas.py paints it, scanner.py makes CT slices of it, and
drawing.py runs all that. Every number drawn comes from one generator, so the order of the calls is part of what a seed
means: the demo weights were trained on it. Lookalikes and what is left unannotated have generators of their own.
"""
from .canvas import SIZE
from .deeplesion import write
from .drawing import SECTIONS, Lesion, Phantom, draw

__all__ = ["SECTIONS", "SIZE", "Lesion", "Phantom", "draw", "write"]

"""What floors.py says of small trees; and of this one."""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import floors

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MAP = """
[.]
tests : look everywhere
house : rooms
[house]
roof       : above
left, right : side by side
state.h    : a table
cellar     : below
[circles]
house/left/a, house/left/b : one noun
"""


def said(files, text=MAP):
    with tempfile.TemporaryDirectory() as root:
        for path, targets in {**files, "FLOORS": None}.items():
            path = os.path.join(root, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text if targets is None else "".join(f'#include "{target}"\n' for target in targets))
        return floors.complaints(root)


class Floors(unittest.TestCase):
    def test_downwards(self):
        self.assertEqual(said({"house/roof/a.c": ["house/left/b.h", "house/state.h", "house/cellar/c.h"], "house/left/b.h": ["house/cellar/c.h"],
                               "house/state.h": [], "house/cellar/c.h": ["d.h"], "house/cellar/d.h": [], "tests/t.c": ["house/roof/a.h"]}), [])

    def test_upwards(self):
        self.assertEqual(said({"house/cellar/a.c": ["house/roof/b.h"], "house/roof/b.h": []}),
                         ["house/cellar/a.c includes house/roof/b.h: cellar does not stand above roof"])

    def test_sideways(self):
        self.assertEqual(said({"house/left/a.c": ["house/right/b.h"], "house/right/b.h": []}),
                         ["house/left/a.c includes house/right/b.h: left does not stand above right"])

    def test_a_file_as_a_room(self):
        self.assertEqual(said({"house/state.c": ["house/left/b.h"], "house/left/b.h": []}),
                         ["house/state.c includes house/left/b.h: state.h does not stand above left"])

    def test_a_room_of_several_files(self):
        text = MAP.replace("state.h    :", "state.h table.h :")
        self.assertEqual(said({"house/state.h": ["house/table.h"], "house/table.h": []}, text), [])

    def test_out_of_the_house(self):
        self.assertEqual(said({"house/left/a.c": ["tests/b.h"], "tests/b.h": []}),
                         ["house/left/a.c includes tests/b.h: house does not stand above tests"])

    def test_no_room(self):
        self.assertEqual(said({"house/attic/a.c": ["house/left/b.h"], "house/left/b.h": []}),
                         ["house/attic/a.c: no room in [house] of FLOORS"])

    def test_circles(self):
        self.assertEqual(said({"house/left/a.h": ["b.h"], "house/left/b.c": ["a.h"], "house/left/b.h": []}), [])
        self.assertEqual(said({"house/left/a.h": ["c.h"], "house/left/c.c": ["a.h"], "house/left/c.h": []}),
                         ["a circle that FLOORS does not allow: house/left/a, house/left/c"])

    def test_a_row_without_a_reason(self):
        with self.assertRaises(ValueError):
            said({}, "[.]\nhouse\n")

    def test_this_tree(self):
        self.assertEqual(floors.complaints(ROOT), [])


if __name__ == "__main__":
    unittest.main()

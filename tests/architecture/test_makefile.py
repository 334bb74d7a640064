"""`make` alone tells a newcomer what there is."""

import re
import subprocess

WANTED = {"install", "demo", "demo-check", "test", "check", "goldens", "bench", "clean"}


def test_make_alone_lists_every_target_with_a_line_about_it(root):
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=root, check=True, capture_output=True, text=True
    ).stdout
    targets = dict(re.findall(r"^ +make ([a-z-]+) +(\S.*)$", listed, re.MULTILINE))
    assert set(targets) >= WANTED
    written = (root / "Makefile").read_text().replace("\\\n", "")
    phony = re.search(r"^\.PHONY: (.+)$", written, re.MULTILINE)[1].split()
    assert set(phony) - {"python"} == set(targets)


def test_python_that_is_too_old_is_refused_with_a_message(root, tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\nexec python3 -c "import sys; sys.version_info = (3, 10, 1); exec(sys.argv[1])" "$2"\n')
    old.chmod(0o755)
    run = subprocess.run(["make", "python", f"PYTHON={old}"], cwd=root, capture_output=True, text=True, timeout=20)
    assert run.returncode != 0
    assert "needs Python 3.11 to 3.14" in run.stderr
    assert "is 3.10" in run.stderr


def test_a_python_that_is_not_there_is_refused_with_a_message(root):
    run = subprocess.run(
        ["make", "python", "PYTHON=no-such-python"], cwd=root, capture_output=True, text=True, timeout=20
    )
    assert run.returncode != 0
    assert "no-such-python is not found" in run.stderr

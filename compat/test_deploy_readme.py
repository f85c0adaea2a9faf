"""README's section "Deploy" shows the files that these tests run, to the letter."""

from __future__ import annotations

import re

from deployment import DEPLOY, DJANGO_SITE
from servers import ROOT


def test_each_block_is_one_of_the_files_and_each_file_is_there_once():
    section = re.search(r"^## Deploy\n(.*?)^## ", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    blocks = re.findall(r"^```\w+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    files = [path for path in DEPLOY.iterdir() if path.is_file()] + [DJANGO_SITE / "newsroom" / "pages.py"]
    assert len(files) > 10
    assert sorted(blocks) == sorted(path.read_text() for path in files)

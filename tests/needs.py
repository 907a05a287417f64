"""Skips tests whose Debian packages are missing, with a reason that names the packages."""

import pytest

from bench.system_packages import PACKAGES, command, missing

_BY_NAME = {package.name: package for package in PACKAGES}


def needs(*names: str) -> pytest.MarkDecorator:
    """A mark for tests that need these Debian packages. Raises ``KeyError`` for one that isn't in the list."""
    lacking = missing([_BY_NAME[name] for name in names])
    return pytest.mark.skipif(bool(lacking), reason=f"missing: {command(lacking)}")


BROWSER = ("chromium", "chromium-driver")

"""Django's test runner, which also writes each test's outcome to the file COMPAT_RESULTS as JSON."""

import json
import os
import unittest

from django.conf import settings
from django.test.runner import DiscoverRunner


class RecordingResult(unittest.TextTestResult):
    """Outcomes are `passed`, `failed` and `skipped`; a failed subtest fails its test."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.outcomes = {}

    def addSuccess(self, test):
        super().addSuccess(test)
        self.outcomes.setdefault(test.id(), "passed")

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.outcomes.setdefault(test.id(), "passed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcomes.setdefault(test.id(), "skipped")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.outcomes[test.id()] = "failed"

    def addError(self, test, error):
        super().addError(test, error)
        self.outcomes[test.id()] = "failed"

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.outcomes[test.id()] = "failed"

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.outcomes[test.id()] = "failed"


class RecordingRunner(DiscoverRunner):
    """Leaves out the tests of other cache backends (locmem, files, database...): they never meet our server."""

    def build_suite(self, *args, **kwargs):
        from cache.tests import BaseCacheTests

        ours = settings.CACHES["default"]["BACKEND"].rpartition(".")[2] + "Tests"
        suite = super().build_suite(*args, **kwargs)
        suite._tests = [test for test in suite if not isinstance(test, BaseCacheTests) or type(test).__name__ == ours]
        return suite

    def get_resultclass(self):
        return RecordingResult

    def run_suite(self, suite, **kwargs):
        result = super().run_suite(suite, **kwargs)
        with open(os.environ["COMPAT_RESULTS"], "w") as file:
            json.dump(result.outcomes, file)
        return result

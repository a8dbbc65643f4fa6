# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs unittest tests and prints TAP 13.

    import tap
    if __name__ == '__main__':
        tap.main()

Arguments: parts of test names; only the tests that contain one are run.
Exit status 0 when nothing failed (a skip is no failure), else 1."""

import os
import signal
import sys
import time
import traceback
import unittest


def _flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _flatten(item)
        else:
            yield item


def _class_name(test):
    return f'{type(test).__module__}.{type(test).__qualname__}'


def _title(test):
    name = f'{type(test).__qualname__}.{test._testMethodName}'
    about = test.shortDescription()
    return f'{name}: {about}' if about else name


class _Result(unittest.TestResult):
    def __init__(self, stream, tests):
        super().__init__()
        self._stream = stream
        self._waiting = {test.id(): test for test in tests}
        self._troubles = []
        self._number = 0
        self._started = 0
        self.failed = 0

    def say(self, line):
        self._stream.write(line + '\n')
        self._stream.flush()

    def _report(self, ok, title, directive='', details=''):
        self._number += 1
        self.failed += not ok
        # '#' would begin a directive, and a newline another line.
        title = title.replace('#', '\\#').replace('\n', ' ')
        self.say(f'{"ok" if ok else "not ok"} {self._number} - {title}{directive}')
        for line in details.rstrip().splitlines():
            self.say('# ' + line)

    def plan(self):
        self.say(f'1..{self._number}')

    def startTest(self, test):
        super().startTest(test)
        self._troubles = []
        self._started = time.monotonic()

    def _text(self, err):
        return ''.join(traceback.format_exception(*err))

    def addError(self, test, err):
        if isinstance(test, unittest.TestCase):
            self._troubles.append(self._text(err))
        else:
            self._whole_class(test, False, '', self._text(err))

    def addFailure(self, test, err):
        self._troubles.append(self._text(err))

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._troubles.append(f'{subtest._subDescription()}\n{self._text(err)}')

    def addUnexpectedSuccess(self, test):
        self._troubles.append('this was expected to fail, and did not')

    def addSkip(self, test, reason):
        reason = reason.replace('\n', ' ')
        if isinstance(test, unittest.TestCase):
            if self._waiting.pop(test.id(), None):
                self._report(True, _title(test), f' # SKIP {reason}')
        else:
            self._whole_class(test, True, f' # SKIP {reason}', '')

    def _whole_class(self, holder, ok, directive, details):
        """setUpClass or setUpModule failed or skipped: none of its tests will start."""
        name = holder.id().partition('(')[2].rstrip(')')
        tests = [test for test in self._waiting.values()
                 if name in (_class_name(test), type(test).__module__)]
        if not tests and not ok:
            self._report(False, holder.id(), '', details)
        for test in tests:
            del self._waiting[test.id()]
            self._report(ok, _title(test), directive, details)
            details = ''

    def stopTest(self, test):
        super().stopTest(test)
        if self._waiting.pop(test.id(), None):
            seconds = time.monotonic() - self._started
            details = '\n'.join(self._troubles)
            if seconds > 1:
                details += f'\n{seconds:.1f} s'
            self._report(not self._troubles, _title(test), '', details.strip())


def _leave(number, _frame):
    # So that atexit handlers run: the guests and servers of a test end with it.
    raise SystemExit(128 + number)


def main(module='__main__'):
    signal.signal(signal.SIGTERM, _leave)
    # What whoever started us ignores (nohup, a shell's background) would be ignored by all that we start.
    for number in signal.SIGHUP, signal.SIGQUIT:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    words = sys.argv[1:]
    loaded = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[module])
    tests = [test for test in _flatten(loaded)
             if not words or any(word in test.id() for word in words)]
    if not tests:
        print('Bail out! no test is named', ' or '.join(words), flush=True)
        raise SystemExit(1)
    print('TAP version 13', flush=True)
    # Tests that print must not break the TAP stream.
    stream = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    result = _Result(stream, tests)
    unittest.TestSuite(tests).run(result)
    result.plan()
    raise SystemExit(1 if result.failed else 0)

# SPDX-License-Identifier: GPL-2.0-or-later
"""A headless Chromium, driven over its DevTools protocol.

    with Chromium() as browser:
        page = browser.open(path)
        page.js('document.title')

A page remembers what must not happen: errors on its console, requests to anybody. The browser has no way out:
whatever it asks of the network, names included, ends at a proxy that only writes it down (`outside`)."""

import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

try:
    import websocket
except ImportError:     # another Python than Debian's
    sys.path.append('/usr/lib/python3/dist-packages')
    try:
        import websocket
    except ImportError:
        websocket = None

PROGRAM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
MISSING = None if PROGRAM and websocket else 'chromium and python3-websocket are needed (tests/lab/packages tests)'
PATIENCE = 60   # seconds for one answer


class BrowserError(Exception):
    """The browser did not do what it was asked to."""


class Page:
    def __init__(self, browser, target, session):
        self._browser, self._target, self._session = browser, target, session
        self.console = []       # errors and warnings
        self.requests = []      # URLs that were asked for, the page's own included
        self.dialogs = []       # alert() and its like
        self._loaded = False
        for domain in ('Page', 'Runtime', 'Network', 'Log', 'Accessibility'):
            self.call(f'{domain}.enable')

    def call(self, method, **params):
        return self._browser.call(method, params, self._session)

    def event(self, method, params):
        if method == 'Runtime.exceptionThrown':
            details = params['exceptionDetails']
            self.console.append(details.get('exception', {}).get('description') or details['text'])
        elif method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning', 'assert'):
            self.console.append(str(params['args']))
        elif method == 'Log.entryAdded' and params['entry']['level'] in ('error', 'warning'):
            self.console.append(params['entry']['text'])
        elif method == 'Network.requestWillBeSent':
            self.requests.append(params['request']['url'])
        elif method == 'Page.javascriptDialogOpening':
            self.dialogs.append(params['message'])
            self._browser.send('Page.handleJavaScriptDialog', {'accept': True}, self._session)
        elif method == 'Page.loadEventFired':
            self._loaded = True

    def go(self, url):
        self._loaded = False
        self.call('Page.navigate', url=url)
        self._browser.until(lambda: self._loaded)
        self.settle()
        return self

    def settle(self):
        """Waits until what is to be drawn is drawn; a page that is hidden draws nothing."""
        self.js('new Promise(done => { requestAnimationFrame(() => requestAnimationFrame(done)); setTimeout(done, 300); })')

    def close(self):
        self._browser.call('Target.closeTarget', {'targetId': self._target})

    def js(self, expression):
        ret = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in ret:
            raise BrowserError(ret['exceptionDetails'].get('exception', {}).get('description') or str(ret))
        return ret['result'].get('value')

    def rect(self, selector):
        """[x, y] of its middle, and its width; it is brought into view."""
        return self.js(f"""(() => {{ const node = document.querySelector({json.dumps(selector)});
            node.scrollIntoView({{ block: 'center' }});
            const box = node.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2, box.width]; }})()""")

    def key(self, key, shift=False):
        codes = {'Enter': 13, 'Tab': 9, 'ArrowLeft': 37, 'ArrowRight': 39, 'Home': 36, 'End': 35}
        text = {'Enter': '\r'}.get(key, key if len(key) == 1 else '')
        options = {'key': key, 'windowsVirtualKeyCode': codes.get(key, ord(key[0].upper())), 'modifiers': 8 if shift else 0}
        self.call('Input.dispatchKeyEvent', type='keyDown', **options, **({'text': text} if text else {}))
        self.call('Input.dispatchKeyEvent', type='keyUp', **options)
        self.settle()

    def click(self, x, y):
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)
        self.settle()

    def size(self, width, height, mobile=False):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.settle()

    def media(self, media='', scheme='light'):
        self.call('Emulation.setEmulatedMedia', media=media, features=[{'name': 'prefers-color-scheme', 'value': scheme}])
        self.settle()

    def screenshot(self, path, whole=True):
        data = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole)['data']
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def pdf(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.call('Page.printToPDF', printBackground=False)['data']))


class Outside:
    """A proxy that answers nobody; `asked` has the first line of each request."""

    def __init__(self):
        self.asked = []
        self._socket = socket.create_server(('127.0.0.1', 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer = self._socket.accept()[0]
            except OSError:
                return
            with peer:
                peer.settimeout(2)
                try:
                    self.asked.append(peer.recv(4096).split(b'\r\n')[0].decode(errors='replace'))
                except OSError:
                    pass

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Chromium:
    def __init__(self):
        self._outside = Outside()
        self.outside = self._outside.asked
        self._folder = tempfile.mkdtemp(prefix='viommu-browser.')
        self._pages, self._answers, self._number = {}, {}, 0
        root = ['--no-sandbox'] if os.geteuid() == 0 else []
        with open(os.path.join(self._folder, 'log'), 'wb') as log:
            self._process = subprocess.Popen(
                [PROGRAM, '--headless=new', *root, '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
                 '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-pings',
                 '--disable-extensions', '--disable-default-apps', '--hide-scrollbars', '--remote-debugging-port=0',
                 f'--proxy-server=127.0.0.1:{self._outside.port}', '--proxy-bypass-list=<-loopback>',
                 '--remote-allow-origins=*', f'--user-data-dir={self._folder}/profile', 'about:blank'],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, 'HOME': self._folder})
        try:
            self._socket = websocket.create_connection(self._address(), timeout=PATIENCE, suppress_origin=True)
        except BaseException:
            self.close()
            raise

    def _address(self):
        path = pathlib.Path(self._folder, 'profile', 'DevToolsActivePort')
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            lines = path.read_text().splitlines() if path.exists() else []
            if len(lines) == 2:
                return f'ws://127.0.0.1:{lines[0]}{lines[1]}'
            time.sleep(0.05)
        log = pathlib.Path(self._folder, 'log').read_text(errors='replace')
        raise BrowserError(f'chromium did not start: {log[-2000:]}')

    def send(self, method, params, session=None):
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': params}
        if session:
            message['sessionId'] = session
        self._socket.send(json.dumps(message))
        return self._number

    def _take(self):
        message = json.loads(self._socket.recv())
        if 'id' in message:
            self._answers[message['id']] = message
        elif message.get('sessionId') in self._pages:
            self._pages[message['sessionId']].event(message['method'], message['params'])

    def until(self, done):
        deadline = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > deadline:
                raise BrowserError('the browser does not get on')
            self._take()

    def call(self, method, params, session=None):
        number = self.send(method, params, session)
        self.until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if 'error' in answer:
            raise BrowserError(f'{method}: {answer["error"]["message"]}')
        return answer['result']

    def open(self, path, width=1200, height=900):
        target = self.call('Target.createTarget', {'url': 'about:blank'})['targetId']
        session = self.call('Target.attachToTarget', {'targetId': target, 'flatten': True})['sessionId']
        page = Page.__new__(Page)
        self._pages[session] = page
        page.__init__(self, target, session)
        page.size(width, height)
        return page.go(pathlib.Path(path).resolve().as_uri())

    def close(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._outside.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

// Beside the full viewer: when it does not start, says so and leads to the basic page.
(function () {
  'use strict';
  var root = document.documentElement;
  function fail() {
    if (root.getAttribute('data-viewer') === 'started') { return; }
    var note = document.getElementById('viewer-failed');
    if (note) { note.hidden = false; }
    var wait = document.getElementById('viewer-wait');
    if (wait) { wait.hidden = true; }
  }
  window.addEventListener('error', function (event) {
    if (event.target && event.target.tagName === 'SCRIPT') { fail(); }
  }, true);
  if (!('noModule' in document.createElement('script'))) { fail(); }
  window.setTimeout(fail, 30000);
}());

// On the basic images page: leaves for the full viewer when this browser can run it and the reader has not chosen otherwise.
(function () {
  'use strict';
  var link = document.querySelector('[data-viewer]');
  if (!link) { return; }
  function kept() {
    try { return window.localStorage.getItem('yingku.viewer'); } catch (error) { return null; }
  }
  function keep(choice) {
    try { window.localStorage.setItem('yingku.viewer', choice); } catch (error) { /* a frame without storage */ }
  }
  link.addEventListener('click', function () { keep('full'); });
  if (/[?&]basic=1(&|$)/.test(window.location.search)) { keep('basic'); return; }
  // Workers that are modules (Chromium 80) read what kind they are before they look at their address, which here is none.
  function takesModules() {
    var asked = false;
    try {
      new Worker('http://', { get type() { asked = true; return 'module'; } });
    } catch (error) {
      return asked && error.name !== 'TypeError';
    }
    return asked;
  }
  var script = document.createElement('script');
  var able = 'noModule' in script && typeof WebAssembly === 'object' && typeof ResizeObserver === 'function' &&
    typeof BigInt === 'function' && 'fromEntries' in Object && typeof PointerEvent === 'function' && 'matchAll' in String.prototype && takesModules();
  // The state of the basic page is in its address: whoever has gone on in it stays.
  var begins = !/[?&](s|i|c|w|z|r|inv)=/.test(window.location.search);
  if (able && begins && kept() !== 'basic') { window.location.replace(link.getAttribute('href')); }
}());

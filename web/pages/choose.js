// In the head of the basic images page: leaves for the full viewer when this browser can run it and the reader has not chosen
// otherwise.
(function () {
  'use strict';
  var viewer = document.currentScript && document.currentScript.getAttribute('data-viewer');
  if (!viewer) { return; }
  // What the reader chooses holds in this browser; what one exam needs (its image is too large) in this tab, for that exam.
  var KEY = 'yingku.viewer';
  function kept(storage) {
    try { return window[storage].getItem(KEY); } catch (error) { return null; }
  }
  function keep(storage, choice) {
    try { window[storage].setItem(KEY, choice); } catch (error) { /* a frame without storage */ }
  }
  var exam = window.location.pathname;
  document.addEventListener('click', function (event) {
    var link = document.querySelector('a[data-viewer]');
    if (!link || !link.contains(event.target)) { return; }
    keep('localStorage', 'full');
    keep('sessionStorage', '');
  });
  if (/[?&]basic=1(&|$)/.test(window.location.search)) { keep('sessionStorage', exam); return; }
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
  if (able && begins && kept('localStorage') !== 'basic' && kept('sessionStorage') !== exam) { window.location.replace(viewer); }
}());

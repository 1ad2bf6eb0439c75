// Comfort on top of pages that work without it: frame slider, wheel, arrow keys, the close and print buttons.
(function () {
  'use strict';
  var close = document.querySelector('[data-close]');
  if (close) {
    close.hidden = false;
    close.addEventListener('click', function () {
      if (window.parent !== window) { window.parent.postMessage({ type: 'yingku.close' }, '*'); }
      window.close();
    });
  }

  var print = document.querySelector('[data-print]');
  if (print && typeof window.print === 'function') {
    print.hidden = false;
    print.addEventListener('click', function () { window.print(); });
  }

  // On a phone the row of tabs is longer than the screen.
  var tab = document.querySelector('.tabs .current');
  if (tab && tab.parentNode.scrollWidth > tab.parentNode.clientWidth) { tab.parentNode.scrollLeft = tab.offsetLeft - 40; }

  var image = document.querySelector('[data-frames]');
  if (!image || !image.getAttribute('data-frames')) { return; }
  var frames = [];
  image.getAttribute('data-frames').split(',').forEach(function (part) {
    var pair = part.split(':');
    for (var n = 1; n <= Number(pair[1]) && frames.length < 20000; n++) { frames.push(pair[0] + '/' + n); }
  });
  if (frames.length < 2) { return; }
  var root = image.getAttribute('data-root');
  var query = image.getAttribute('data-query');
  var page = image.getAttribute('data-page');
  var shown = Number(image.getAttribute('data-at'));
  var position = document.querySelector('[data-position]');
  var wanted = shown;
  var loading = false;

  var slider = document.createElement('input');
  slider.type = 'range';
  slider.className = 'slider';
  slider.min = '1';
  slider.max = String(frames.length);
  slider.value = String(shown);
  slider.setAttribute('aria-label', document.documentElement.lang === 'en' ? 'Image' : '图像位置');
  image.parentNode.parentNode.insertBefore(slider, image.parentNode);

  function load() {
    if (loading || wanted === shown) { return; }
    loading = true;
    var target = wanted;
    var next = new Image();
    next.onload = next.onerror = function () {
      image.src = next.src;
      image.alt = image.alt.replace(/\d+ \/ \d+$/, target + ' / ' + frames.length);
      shown = target;
      loading = false;
      load();
    };
    next.src = root + frames[target - 1] + '.jpg' + query;
  }

  function go(to) {
    wanted = Math.min(frames.length, Math.max(1, to));
    slider.value = String(wanted);
    if (position) { position.textContent = wanted + ' / ' + frames.length; }
    // A reload, and the links below, stay where the reader is.
    history.replaceState(null, '', page + '&i=' + wanted);
    document.querySelectorAll('.stage .controls:not(.steps) a').forEach(function (link) {
      var href = link.getAttribute('href').replace(/&i=\d+/, '');
      link.setAttribute('href', href + '&i=' + wanted);
    });
    [1, wanted - 10, wanted - 1, wanted + 1, wanted + 10, frames.length].forEach(function (at, n) {
      var link = document.querySelectorAll('.steps a')[n];
      if (link) { link.setAttribute('href', page + '&i=' + Math.min(frames.length, Math.max(1, at))); }
    });
    load();
  }

  slider.addEventListener('input', function () { go(Number(slider.value)); });
  image.parentNode.addEventListener('wheel', function (event) {
    if (event.ctrlKey) { return; }
    event.preventDefault();
    go(wanted + (event.deltaY > 0 ? 1 : -1));
  }, { passive: false });
  document.addEventListener('keydown', function (event) {
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target !== slider) { return; }
    var step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (event.key === 'Home') { event.preventDefault(); go(1); }
    if (event.key === 'End') { event.preventDefault(); go(frames.length); }
    if (step) { event.preventDefault(); go(wanted + step); }
  });
}());

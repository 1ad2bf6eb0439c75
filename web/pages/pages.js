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

  // Engines without NodeList.forEach (IE mode, Chromium before 51) have this one.
  function each(selector, act) { Array.prototype.forEach.call(document.querySelectorAll(selector), act); }

  var note = document.createElement('p');
  note.className = 'notice';
  note.setAttribute('role', 'alert');
  note.hidden = true;
  image.parentNode.parentNode.insertBefore(note, image.parentNode);

  function refuse(target) {
    note.textContent = document.documentElement.lang === 'en' ?
      'Image ' + target + ' could not be loaded; this is image ' + shown + '.' :
      '第 ' + target + ' 幅未能载入，当前显示的是第 ' + shown + ' 幅。';
    note.hidden = false;
  }

  // What is said of an image is said when it stands there, never before.
  function show(target, src) {
    image.src = src;
    image.alt = image.alt.replace(/\d+ \/ \d+$/, target + ' / ' + frames.length);
    shown = target;
    note.hidden = true;
    if (position) { position.textContent = shown + ' / ' + frames.length; }
    // A reload, and the links below, stay where the reader is.
    history.replaceState(null, '', page + '&i=' + shown);
    each('.stage .controls:not(.steps) a', function (link) {
      var href = link.getAttribute('href').replace(/&i=\d+/, '');
      link.setAttribute('href', href + '&i=' + shown);
    });
    var steps = [1, shown - 10, shown - 1, shown + 1, shown + 10, frames.length];
    each('.steps a', function (link, n) {
      link.setAttribute('href', page + '&i=' + Math.min(frames.length, Math.max(1, steps[n])));
    });
  }

  function load() {
    if (loading || wanted === shown) { return; }
    loading = true;
    var target = wanted;
    var next = new Image();
    next.onload = function () {
      show(target, next.src);
      loading = false;
      load();
    };
    next.onerror = function () {
      loading = false;
      if (wanted === target) { refuse(target); } else { load(); }
    };
    next.src = root + frames[target - 1] + '.jpg' + query;
  }

  function go(to) {
    wanted = Math.min(frames.length, Math.max(1, to));
    slider.value = String(wanted);
    if (wanted === shown) { note.hidden = true; }
    load();
  }

  // A zoomed image that is larger than its frame is moved by the wheel and the keys.
  var frame = image.parentNode;
  function scrolls() {
    return frame.classList.contains('zoomed') && (frame.scrollHeight > frame.clientHeight + 1 || frame.scrollWidth > frame.clientWidth + 1);
  }

  // IE mode tells of a slider that moves by `change` alone.
  ['input', 'change'].forEach(function (name) { slider.addEventListener(name, function () { go(Number(slider.value)); }); });
  frame.addEventListener('wheel', function (event) {
    if (event.ctrlKey || scrolls()) { return; }
    event.preventDefault();
    go(wanted + (event.deltaY > 0 ? 1 : -1));
  }, { passive: false });
  document.addEventListener('keydown', function (event) {
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target !== slider) { return; }
    var moves = frame.contains(event.target) && scrolls();
    // The short names are those of IE mode.
    var step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, Up: -1, Left: -1, Down: 1, Right: 1 }[event.key];
    var leap = { PageUp: -1, PageDown: 1 }[event.key];
    var end = { Home: 1, End: frames.length }[event.key];
    // There pages go on by one: nothing else does.
    if (moves) { step = leap; leap = end = undefined; }
    var to = step ? wanted + step : leap ? wanted + leap * 10 : end;
    if (to === undefined) { return; }
    event.preventDefault();
    go(to);
  });
}());

// Makes pages quicker; none needs it. Runs after DOMPurify and before htmx.
'use strict';
(() => {
  // Every string that a script turns into HTML passes here (CSP: require-trusted-types-for 'script').
  const clean = {
    ADD_ATTR: ['target'],
    FORBID_TAGS: ['style', 'script', 'iframe', 'object', 'embed', 'base', 'meta', 'link'],
    FORBID_ATTR: ['style'],
  };
  if (window.trustedTypes && window.DOMPurify) {
    window.trustedTypes.createPolicy('default', {createHTML: (text) => window.DOMPurify.sanitize(text, clean)});
  }

  const on = (kind, what) => document.addEventListener(kind, what);

  // One open menu or question at a time; Escape closes it and gives the focus back.
  on('keydown', (e) => {
    if (e.key !== 'Escape') return;
    const open = e.target.closest && e.target.closest('details.confirm[open], details.menu[open]');
    if (!open) return;
    open.open = false;
    open.querySelector('summary').focus();
  });
  on('click', (e) => {
    for (const open of document.querySelectorAll('details.menu[open]')) if (!open.contains(e.target)) open.open = false;
  });

  // A button that cannot be pressed says why when it is.
  on('click', (e) => {
    const blocked = e.target.closest && e.target.closest('[aria-disabled=true]');
    if (!blocked) return;
    e.preventDefault();
    const why = blocked.parentElement.querySelector('.why');
    if (why) say(why.textContent);
  });

  // A form is sent once.
  on('submit', (e) => {
    const form = e.target;
    if (form.method !== 'post' || e.defaultPrevented) return;
    if (form.dataset.sent) { e.preventDefault(); return; }
    form.dataset.sent = 'yes';
  });
  window.addEventListener('pageshow', () => {
    for (const form of document.querySelectorAll('form[data-sent]')) delete form.dataset.sent;
  });

  // Choosing is enough where a form says so.
  on('change', (e) => {
    if (e.target.matches && e.target.matches('[data-send]') && e.target.form) e.target.form.requestSubmit();
  });

  // Times in the reader's own zone; the machine's form stays in the attribute.
  const zone = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'short'});
  const local = (root) => {
    for (const time of root.querySelectorAll('time[datetime]:not([data-local])')) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.dataset.local = 'yes';
      time.title = time.textContent;
      time.textContent = zone.format(at);
    }
  };
  local(document);
  document.addEventListener('htmx:afterSettle', (e) => local(e.target));

  // What happened, said once for those who see and those who listen.
  function say(words) {
    const region = document.getElementById('toasts');
    if (!region) return;
    const toast = document.createElement('p');
    toast.className = 'toast';
    toast.textContent = words;
    region.replaceChildren(toast);
    setTimeout(() => toast.remove(), 6000);
  }
  document.addEventListener('htmx:responseError', (e) => {
    const status = e.detail.xhr.status;
    if (status === 401) { window.location.reload(); return; }
    say(status === 429 ? 'Too many requests; wait a moment.' : 'That did not work. Reload the page and try again.');
  });
  document.addEventListener('htmx:sendError', () => say('The server cannot be reached.'));
})();

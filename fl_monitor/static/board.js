// A page of the monitor: polls its feed once a second and shows what is new.

const POLL_EVERY_MS = 1000;
const STALE_AFTER_MS = 5000;
const GIVE_UP_MS = 8000;
const FRESH_COOKIE_MS = 500; // another password: our old cookie is refused a moment before the new one comes

function loadPlotly(path) {
  window.fedlunaPlotly ??= new Promise((resolve, reject) => {
    const script = element('script');
    script.src = path;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return window.fedlunaPlotly;
}

function makeBoard(words) {
  const parts = {};
  const part = (name, tagName, className, ...children) => (parts[name] = element(tagName, className, ...children));
  parts.root = element('div', 'fl-board',
    element('header', 'fl-hero',
      element('div', 'fl-hero-text', part('kicker', 'p', 'fl-run'), part('title', 'h1', ''), part('sub', 'p', 'fl-sub')),
      part('badge', 'span', 'fl-badge')),
    part('progress', 'div', 'fl-progress', part('bar', 'div', '')),
    part('grid', 'div', 'fl-grid'));
  parts.progress.hidden = true;
  parts.title.textContent = words.loading;
  parts.title.setAttribute('aria-live', 'polite');
  parts.progress.setAttribute('role', 'progressbar');
  parts.progress.setAttribute('aria-label', words.rounds_finished);
  return parts;
}

function showHeader(parts, header) {
  parts.kicker.textContent = header.kicker;
  parts.title.textContent = header.title;
  parts.title.className = `fl-${header.tone}`;
  parts.progress.hidden = header.progress === null;
  parts.bar.style.width = `${100 * (header.progress ?? 0)}%`;
  parts.progress.setAttribute('aria-valuenow', String(Math.round(100 * (header.progress ?? 0))));
}

// What changes with the clock alone: time left, ages, and whether what we show is still fresh.
function showTimes(parts, header, link, words) {
  const now = Date.now() + link.clockOffset;
  parts.sub.textContent = header ? subline(header, link, now, words) : words.no_data;
  for (const seen of parts.root.querySelectorAll('[data-since]')) {
    seen.textContent = ` ${words.ago.replace('{time}', duration(now - Date.parse(seen.dataset.since), words))}`;
  }
  const [kind, text] = badge(header, link, now, words);
  parts.badge.className = `fl-badge fl-${kind}`;
  if (parts.badge.textContent !== text) parts.badge.replaceChildren(element('span', 'fl-dot'), text);
  parts.root.dataset.link = kind;
}

function isFresh(link) {
  return !link.isLost && Date.now() - link.dataAt <= STALE_AFTER_MS;
}

function subline(header, link, now, words) {
  const said = header.text ? [header.text] : [];
  const say = (text, time) => said.push(text.replace('{time}', time));
  if (!isFresh(link)) say(words.was_so, clock(link.dataAt, words.locale));
  else if (header.silent_since) say(words.silent, duration(now - Date.parse(header.silent_since), words));
  else if (header.ends_to) said.push(timeLeft(header, now, words));
  if (header.ended_at) say(words.ended, clock(header.ended_at, words.locale));
  else if (header.started_at) say(words.started, clock(header.started_at, words.locale));
  return said.join(' ');
}

function timeLeft(header, now, words) {
  const [least, most] = [header.ends_from, header.ends_to].map((end) => Math.max(0, Date.parse(end) - now));
  if (most === 0) return words.any_moment;
  const [from, to] = [duration(least, words), duration(most, words)];
  return from === to ? words.left.replace('{to}', to) : words.left_between.replace('{from}', from).replace('{to}', to);
}

function badge(header, link, now, words) {
  if (link.isRefused) return ['stale', words.refused];
  if (link.isLost) return ['reconnecting', words.reconnecting];
  if (!link.dataAt) return ['stale', words.not_readable];
  const stale = (text, since) => ['stale', text.replace('{time}', duration(since, words))];
  if (!isFresh(link)) return stale(words.stale_store, Date.now() - link.dataAt);
  if (header?.silent_since) return stale(words.stale, now - Date.parse(header.silent_since));
  return ['live', words.live];
}

async function poll(link, page) {
  const query = new URLSearchParams({ known: link.version });
  for (const [name, value] of Object.entries(page.params)) query.set(`p_${name}`, value);
  if (link.isActive) query.set('active', '1');
  link.isActive = false;
  try {
    const response = await fetch(`/api/pages/${page.name}?${query}`, { cache: 'no-store', signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (response.status === 401) return void setTimeout(() => location.reload(), FRESH_COOKIE_MS);
    link.isRefused = response.status === 403;
    if (response.status === 503 || link.isRefused) return void (link.isLost = false);
    if (!response.ok) throw new Error(`feed answered ${response.status}`);
    const news = response.status === 200 ? await response.json() : null;
    link.isLost = false;
    link.clockOffset = Date.parse(response.headers.get('x-coordinator-time')) - Date.now();
    link.dataAt = Date.now() - 1000 * Number(response.headers.get('x-data-age-s'));
    return news;
  } catch {
    link.isLost = true; // the next poll tries again
  }
}

function startBoard(parent, first) {
  const { words, plotly } = first;
  const parts = makeBoard(words);
  const cards = makeCards(parts.grid, words);
  const link = { version: '', isLost: false, isRefused: false, isActive: false, dataAt: 0, clockOffset: 0 };
  const shown = { header: null, parts: [], theme: '' };
  let page = first.page;
  let timer = 0;
  let turn = 0; // a poll that was overtaken by another is not shown

  async function tick() {
    clearTimeout(timer);
    const mine = ++turn;
    if (document.hidden) return;
    await loadPlotly(plotly).catch(() => { link.isLost = true; });
    const news = await poll(link, page);
    if (mine !== turn) return;
    if (news) show(news);
    followTheme();
    showTimes(parts, shown.header, link, words);
    cards.tick();
    timer = setTimeout(tick, POLL_EVERY_MS);
  }

  function show(news) {
    link.version = news.version;
    shown.header = news.header ?? shown.header;
    shown.parts = news.parts.map((part, no) => part ?? shown.parts[no]);
    showHeader(parts, shown.header);
    cards.show(shown.parts.flat(), shown.header.colors);
    parts.root.dataset.page = page.name;
  }

  function followTheme() {
    const theme = JSON.stringify(readTheme(parts.root));
    if (theme === shown.theme) return;
    shown.theme = theme;
    parts.root.dataset.theme = isDark(readTheme(parts.root).paper) ? 'dark' : 'light';
    cards.restyle();
  }

  const noteInput = () => { link.isActive = true; };
  const inputs = ['pointerdown', 'keydown', 'wheel'];
  inputs.forEach((name) => document.addEventListener(name, noteInput, { passive: true }));
  document.addEventListener('visibilitychange', tick);
  parent.append(parts.root);
  tick();
  return {
    turnTo(newPage) {
      if (JSON.stringify(newPage) === JSON.stringify(page)) return;
      page = newPage;
      tick();
    },
    stop() {
      turn = Infinity;
      clearTimeout(timer);
      inputs.forEach((name) => document.removeEventListener(name, noteInput));
      document.removeEventListener('visibilitychange', tick);
      cards.remove();
      parts.root.remove();
    },
  };
}

export default function ({ data, parentElement }) {
  parentElement.fedlunaBoard ??= startBoard(parentElement, data);
  parentElement.fedlunaBoard.turnTo(data.page);
  return () => {
    parentElement.fedlunaBoard?.stop();
    delete parentElement.fedlunaBoard;
  };
}

// The Live page: polls the feed once a second and shows what is new. Text is only ever set as text.

const POLL_EVERY_MS = 1000;
const STALE_AFTER_MS = 5000;
const GIVE_UP_MS = 8000;

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

function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.round(seconds / 86400)} days`;
}

function clock(time) {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  const hours = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return isToday ? hours : `${date.toLocaleDateString([], { day: 'numeric', month: 'short' })} ${hours}`;
}

function tag(tone, text) {
  return element('span', `fl-tag fl-${tone}`, element('span', 'fl-dot'), text);
}

function dot(color) {
  const made = element('span', 'fl-swatch');
  made.style.background = color ?? 'var(--fl-faint)';
  return made;
}

function makeBoard() {
  const parts = {};
  const part = (name, tagName, className, ...children) => (parts[name] = element(tagName, className, ...children));
  parts.root = element('div', 'fl-board',
    element('header', 'fl-hero',
      element('div', 'fl-hero-text', part('runName', 'p', 'fl-run'), part('words', 'h1', ''), part('sub', 'p', 'fl-sub')),
      part('badge', 'span', 'fl-badge')),
    part('progress', 'div', 'fl-progress', part('bar', 'div', '')),
    part('body', 'div', 'fl-body',
      part('figures', 'section', 'fl-figures'),
      element('div', 'fl-columns',
        element('section', 'fl-card fl-sites', part('roundTitle', 'h3', ''), part('sites', 'div', 'fl-scroll')),
        element('section', 'fl-card', element('h3', '', 'Online'), part('people', 'ul', 'fl-people'))),
      part('legend', 'div', 'fl-legends'),
      part('grid', 'div', 'fl-grid',
        part('eventsCard', 'section', 'fl-card fl-events-card', element('h3', '', 'Events'), part('events', 'ol', 'fl-events')))));
  parts.progress.hidden = parts.body.hidden = true;
  parts.words.setAttribute('role', 'status');
  parts.progress.setAttribute('role', 'progressbar');
  parts.progress.setAttribute('aria-label', 'Rounds finished');
  parts.figures.setAttribute('aria-label', 'Key figures');
  parts.legend.setAttribute('role', 'group');
  parts.legend.setAttribute('aria-label', 'Sites shown on the charts');
  parts.sites.tabIndex = 0;
  parts.events.tabIndex = 0;
  return parts;
}

function showHeadline(parts, board) {
  const head = board.headline;
  parts.runName.textContent = head ? head.run_name : '';
  parts.words.textContent = head ? head.words : 'No run yet';
  parts.words.className = `fl-${head ? head.tone : 'calm'}`;
  parts.progress.hidden = !head;
  parts.bar.style.width = `${100 * (head?.progress ?? 0)}%`;
  parts.progress.setAttribute('aria-valuenow', String(Math.round(100 * (head?.progress ?? 0))));
}

function showFigures(parts, board) {
  parts.figures.hidden = board.key_figures.length === 0;
  parts.figures.replaceChildren(...board.key_figures.map((figure) => element('div', 'fl-figure',
    element('p', 'fl-label', figure.label),
    element('p', 'fl-value', figure.value),
    element('p', 'fl-note', figure.of_round, '  ', element('span', `fl-${figure.tone}`, figure.change)))));
}

const SITE_COLUMNS = [
  ['Site'], ['State'], ['Time (s)', 'fl-number'], ['Examples', 'fl-number'], ['AUC', 'fl-number'], ['CPM', 'fl-number'],
];

function showSites(parts, board) {
  parts.roundTitle.textContent = board.round_title;
  const heads = SITE_COLUMNS.map(([name, className]) => element('th', className, name));
  const rows = board.site_lines.map((line) => element('tr', '',
    element('th', '', dot(board.colors[line.site]), line.site),
    element('td', 'fl-state', tag(line.tone, line.state)),
    ...[line.seconds, line.examples, line.auc, line.cpm].map((text) => element('td', 'fl-number', text))));
  heads.forEach((head) => { head.scope = 'col'; });
  rows.forEach((row) => { row.firstChild.scope = 'row'; });
  parts.sites.replaceChildren(element('table', '', element('thead', '', element('tr', '', ...heads)), element('tbody', '', ...rows)));
  parts.sites.setAttribute('aria-label', board.round_title);
}

function showPeople(parts, board) {
  const people = board.people.map((person) => {
    const state = element('span', 'fl-note', person.state);
    if (person.last_seen_at) state.dataset.since = person.last_seen_at;
    const mark = person.is_online ? 'good' : 'calm';
    return element('li', '', element('span', `fl-dot fl-${mark}`), element('span', 'fl-name', person.name), state);
  });
  const users = element('li', '', element('span', 'fl-dot fl-blank'), element('span', 'fl-name', 'Users'), element('span', 'fl-note', `${board.num_users_online} online`));
  parts.people.replaceChildren(...people, users);
}

function showEvents(parts, board) {
  const events = board.events.map((event) => {
    const time = element('time', '', clock(event.at));
    time.dateTime = event.at;
    return element('li', '', time, element('span', '', event.text));
  });
  parts.events.replaceChildren(...(events.length ? events : [element('li', 'fl-note', 'Nothing has happened yet.')]));
}

function showBoard(parts, board) {
  showHeadline(parts, board);
  showFigures(parts, board);
  showSites(parts, board);
  showPeople(parts, board);
  showEvents(parts, board);
  parts.body.hidden = false;
  parts.body.classList.toggle('fl-early', board.site_lines.length === 0);
}

// What changes with the clock alone: time left, ages, and whether what we show is still fresh.
function showTimes(parts, board, link) {
  const now = Date.now() + link.clockOffset;
  parts.sub.textContent = board ? subline(board, link, now) : 'No data yet.';
  for (const seen of parts.people.querySelectorAll('[data-since]')) {
    seen.textContent = `offline, last seen ${duration(now - Date.parse(seen.dataset.since))} ago`;
  }
  const [kind, text] = badge(board, link, now);
  parts.badge.className = `fl-badge fl-${kind}`;
  if (parts.badge.textContent !== text) parts.badge.replaceChildren(element('span', 'fl-dot'), text);
  parts.root.dataset.link = kind;
}

function isFresh(link) {
  return !link.isLost && Date.now() - link.dataAt <= STALE_AFTER_MS;
}

function subline(board, link, now) {
  const head = board.headline;
  if (!head) return board.empty_text;
  const words = head.reason ? [head.reason] : [];
  if (!isFresh(link)) {
    words.push(`All this was so at ${clock(link.dataAt)}.`);
  } else if (board.silent_since) {
    words.push(`Nothing heard from the coordinator for ${duration(now - Date.parse(board.silent_since))}.`);
  } else if (head.expected_end_at) {
    const left = Date.parse(head.expected_end_at) - now;
    words.push(left > 0 ? `About ${duration(left)} left.` : 'Should end any moment.');
  }
  words.push(head.ended_at ? `Ended ${clock(head.ended_at)}.` : `Started ${clock(head.started_at)}.`);
  return words.join(' ');
}

function badge(board, link, now) {
  if (link.isLost) return ['reconnecting', 'Reconnecting'];
  if (!link.dataAt) return ['stale', 'Store not readable'];
  if (!isFresh(link)) return ['stale', `Stale, ${duration(Date.now() - link.dataAt)}: store not readable`];
  if (board?.silent_since) return ['stale', `Stale, ${duration(now - Date.parse(board.silent_since))}`];
  return ['live', 'Live'];
}

async function poll(link) {
  const query = new URLSearchParams({ known: link.version });
  if (link.isActive) query.set('active', '1');
  link.isActive = false;
  let response;
  try {
    response = await fetch(`/api/live?${query}`, { cache: 'no-store', signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (response.status === 401) return location.reload();
    if (response.status === 503) return void (link.isLost = false);
    const news = response.status === 200 ? await response.json() : null;
    if (!response.ok) throw new Error(`feed answered ${response.status}`);
    link.isLost = false;
    link.clockOffset = Date.parse(response.headers.get('x-coordinator-time')) - Date.now();
    link.dataAt = Date.now() - 1000 * Number(response.headers.get('x-data-age-s'));
    return news;
  } catch {
    link.isLost = true; // the next poll tries again
  }
}

function startBoard(parent, plotlyPath) {
  const parts = makeBoard();
  parent.append(parts.root);
  const charts = makeCharts(parts.grid, parts.legend);
  const link = { version: '', isLost: false, isActive: false, dataAt: 0, clockOffset: 0 };
  const shown = { board: null, charts: null, theme: '' };
  let timer = 0;
  let isStopped = false;

  async function tick() {
    clearTimeout(timer);
    if (isStopped || document.hidden) return;
    await loadPlotly(plotlyPath).catch(() => { link.isLost = true; });
    const news = await poll(link);
    if (isStopped) return;
    if (news) show(news);
    followTheme();
    showTimes(parts, shown.board, link);
    clearTimeout(timer);
    timer = setTimeout(tick, POLL_EVERY_MS);
  }

  function show(news) {
    link.version = news.version;
    shown.board = news.board ?? shown.board;
    shown.charts = news.charts ?? shown.charts;
    if (news.board) showBoard(parts, shown.board);
    if (news.charts) charts.show(shown.charts, shown.board.colors);
    parts.grid.append(parts.eventsCard);
  }

  function followTheme() {
    const theme = readTheme(parts.root);
    if (JSON.stringify(theme) === shown.theme) return;
    shown.theme = JSON.stringify(theme);
    parts.root.dataset.theme = isDark(theme.paper) ? 'dark' : 'light';
    if (shown.charts) charts.restyle();
  }

  const noteInput = () => { link.isActive = true; };
  const inputs = ['pointerdown', 'keydown', 'wheel'];
  inputs.forEach((name) => document.addEventListener(name, noteInput, { passive: true }));
  document.addEventListener('visibilitychange', tick);
  tick();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    inputs.forEach((name) => document.removeEventListener(name, noteInput));
    document.removeEventListener('visibilitychange', tick);
    charts.remove();
    parts.root.remove();
  };
}

export default function ({ data, parentElement }) {
  parentElement.fedlunaStop ??= startBoard(parentElement, data.plotly);
  return () => {
    parentElement.fedlunaStop?.();
    delete parentElement.fedlunaStop;
  };
}

// Draws the blocks of a page as cards of a grid. What a block looks like is said in fl_monitor/blocks.py.
// Text is only ever set as text. Used by the board and the report.

function duration(ms, words) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const say = (text, number, rest) => text.replace('{n}', number).replace('{m}', rest);
  if (seconds < 60) return say(words.seconds, seconds);
  if (seconds < 3600) return say(words.minutes, Math.round(seconds / 60));
  if (seconds < 48 * 3600) return say(words.hours, Math.floor(seconds / 3600), Math.round((seconds % 3600) / 60));
  return say(words.days, Math.round(seconds / 86400));
}

function clock(time, locale) {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  const hours = date.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : 'numeric';
  return isToday ? hours : `${date.toLocaleDateString(locale, { day: 'numeric', month: 'short', year })} ${hours}`;
}

function swatch(color) {
  const made = element('span', 'fl-swatch');
  made.style.background = color ?? 'var(--fl-faint)';
  return made;
}

// A cell's content; the board's clock keeps ages up to date by ``data-since``.
function drawCell(cell, board) {
  if (typeof cell === 'string') return [cell];
  const parts = [];
  if (cell.at && !cell.is_age) {
    const time = element('time', '', clock(cell.at, board.words.locale));
    time.dateTime = cell.at;
    parts.push(time);
  }
  if (cell.site) parts.push(swatch(board.colors[cell.site]));
  if (cell.tone) parts.push(element('span', `fl-dot fl-${cell.tone}`));
  parts.push(drawText(cell));
  if (cell.at && cell.is_age) {
    const age = element('span', 'fl-age');
    age.dataset.since = cell.at;
    parts.push(age);
  }
  return parts;
}

function drawText(cell) {
  if (!cell.href) return element('span', '', cell.text);
  const link = element('a', 'fl-link', cell.text);
  link.href = cell.href; // a file of ours says itself that it is kept; a refusal is a sentence to be read
  return link;
}

function makeFigures(board) {
  const row = element('div', 'fl-figures');
  return {
    isBare: true,
    body: [row],
    show(block) {
      row.replaceChildren(...block.figures.map((figure) => element('div', 'fl-figure',
        element('p', 'fl-label', figure.label),
        element('p', 'fl-value', figure.value, sparkline(figure.trend)),
        element('p', 'fl-note', figure.of_what, ' ', element('span', `fl-${figure.tone}`, figure.change)))));
      row.setAttribute('role', 'group');
      row.setAttribute('aria-label', block.title);
    },
  };
}

const SVG = 'http://www.w3.org/2000/svg';

function sparkline(trend) {
  const points = trend.map((value, index) => [index, value]).filter(([, value]) => value !== null);
  if (points.length < 2) return '';
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const place = ([index, value]) => `${(96 * index) / (trend.length - 1) + 2},${22 - (20 * (value - low)) / (high - low || 1)}`;
  const svg = document.createElementNS(SVG, 'svg');
  const line = document.createElementNS(SVG, 'polyline');
  svg.setAttribute('viewBox', '0 0 100 24');
  svg.setAttribute('class', 'fl-spark');
  svg.setAttribute('aria-hidden', 'true');
  line.setAttribute('points', points.map(place).join(' '));
  svg.append(line);
  return svg;
}

function makeTable(board) {
  const body = element('div', 'fl-scroll');
  const note = element('p', 'fl-note');
  body.tabIndex = 0;
  return {
    body: [note, body],
    show(block) {
      note.textContent = block.lines.length ? block.note : block.empty;
      note.hidden = !note.textContent;
      body.hidden = block.lines.length === 0;
      body.setAttribute('aria-label', block.title);
      body.setAttribute('role', 'region');
      body.replaceChildren(block.columns.length ? drawTable(block, board) : drawList(block, board));
    },
  };
}

function drawTable(block, board) {
  const heads = block.columns.map((column) => element('th', column.is_number ? 'fl-number' : '', column.title));
  heads.forEach((head) => { head.scope = 'col'; });
  const rows = block.lines.map((line) => element('tr', '', ...line.map((cell, no) => {
    const made = element(no ? 'td' : 'th', block.columns[no].is_number ? 'fl-number' : '', ...drawCell(cell, board));
    if (!no) made.scope = 'row';
    return made;
  })));
  return element('table', '', element('thead', '', element('tr', '', ...heads)), element('tbody', '', ...rows));
}

function drawList(block, board) {
  return element('ul', 'fl-list', ...block.lines.map((line) => element('li', '',
    ...line.map((cell) => element('span', 'fl-item', ...drawCell(cell, board))))));
}

function makeLegend(board) {
  const row = element('div', 'fl-legends');
  row.setAttribute('role', 'group');
  return {
    isBare: true,
    body: [row],
    show(block) {
      row.setAttribute('aria-label', block.title);
      const entries = [[FEDERATION, readTheme(row).ink], ...Object.entries(board.colors)];
      row.replaceChildren(...entries.map(([site, color]) => legendButton(site, color, board)));
    },
    restyle() { row.querySelector('.fl-swatch').style.background = readTheme(row).ink; },
  };
}

function legendButton(site, color, board) {
  const button = element('button', 'fl-legend', swatch(color), site === FEDERATION ? board.words.federation : site);
  button.type = 'button';
  button.setAttribute('aria-pressed', String(!board.hidden.has(site)));
  button.onclick = () => {
    if (!board.hidden.delete(site)) board.hidden.add(site);
    button.setAttribute('aria-pressed', String(!board.hidden.has(site)));
    board.restyle();
  };
  return button;
}

function makeNote() {
  const text = element('p', '');
  return {
    body: [text],
    show(block) {
      text.textContent = block.text;
      text.className = `fl-${block.tone}`;
    },
  };
}

const MAKERS = { figures: makeFigures, table: makeTable, chart: makeChart, legend: makeLegend, note: makeNote };

function makeCard(block, board) {
  const content = MAKERS[block.kind](board);
  const title = element('h2', '', block.title);
  const head = element('div', 'fl-head', title, ...(content.head ?? []));
  const isTitled = !content.isBare && block.title;
  const root = element('section', content.isBare ? 'fl-bare' : 'fl-card', ...(isTitled ? [head] : []), ...content.body);
  root.dataset.block = block.name;
  root.style.setProperty('--fl-width', block.width);
  return { ...content, root, title, kind: block.kind, block: null };
}

// The cards of a page: those whose block has gone go, the others change in place and stay where they are.
function makeCards(grid, words) {
  const cards = new Map();
  const board = { words, colors: {}, hidden: new Set(), restyle };

  function restyle() {
    for (const card of cards.values()) card.restyle?.();
  }

  function show(blocks, colors) {
    board.colors = colors;
    for (const [name, card] of cards) {
      if (!blocks.some((block) => block.name === name && block.kind === card.kind)) remove(name);
    }
    blocks.forEach((block, no) => {
      const card = cards.get(block.name) ?? makeCard(block, board);
      cards.set(block.name, card);
      if (grid.children[no] !== card.root) grid.insertBefore(card.root, grid.children[no] ?? null);
      if (card.block === block) return;
      card.block = block;
      card.title.textContent = block.title;
      card.show(block);
    });
  }

  function remove(name) {
    cards.get(name).remove?.();
    cards.get(name).root.remove();
    cards.delete(name);
  }

  return {
    show,
    restyle,
    tick() {
      for (const card of cards.values()) card.tick?.();
    },
    remove() { [...cards.keys()].forEach(remove); },
  };
}

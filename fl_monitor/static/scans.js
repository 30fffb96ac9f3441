// The Scan page: a scan is sent, followed through its search, and looked at with what was found in it.

const LOOK_EVERY_TICKS = 5;

function makeScans(board) {
  const shell = element('div', 'fl-scans');
  let page = null;
  return {
    isBare: true,
    body: [shell],
    show(block) {
      page ??= startScans(shell, block.words, board.words.locale);
    },
    tick() { page?.tick(); },
    remove() { page?.remove(); },
  };
}

MAKERS.scans = makeScans;

function startScans(shell, words, locale) {
  const sender = makeSender(words, look);
  const viewer = makeViewer(words);
  const findings = makeFindings(words, (nodule) => viewer.choose(nodule));
  const list = makeScanList(words, locale, { show, giveUp, isSending: sender.isSending });
  const opened = element('div', 'fl-opened', viewer.root, findings.root);
  let ticks = 0;
  let shownId = '';
  let told = { scans: [] };
  shell.append(sender.root, list.root);

  async function look() {
    const reply = await askScans('GET').catch(() => null);
    if (!reply?.ok) return; // the board says that the monitor is out of reach, or asks for a login
    const before = told;
    told = await reply.json();
    sender.show(told);
    list.show(told.scans, shownId);
    const isOpen = (scan) => before.scans.some((old) => old.id === scan.id && old.state !== 'done');
    const next = told.scans.find((scan) => scan.state === 'done' && (isOpen(scan) || (!shownId && !before.scans.length)));
    if (next) show(next);
    else if (shownId && !told.scans.some((scan) => scan.id === shownId)) hide();
  }

  async function show(scan) {
    const reply = await askScans('GET', `/${scan.id}/view`).catch(() => null);
    if (!reply?.ok) return look();
    const view = { ...(await reply.json()), id: scan.id, label: scan.label };
    shownId = scan.id;
    if (!opened.isConnected) shell.prepend(opened);
    viewer.open(view);
    findings.show(view);
    list.show(told.scans, shownId);
  }

  function hide() {
    shownId = '';
    opened.remove();
    viewer.close();
  }

  async function giveUp(scan) {
    sender.stop(scan.id);
    await askScans('DELETE', `/${scan.id}`).catch(() => null);
    await look();
  }

  look();
  return {
    tick() {
      ticks += 1;
      if (ticks % LOOK_EVERY_TICKS === 0 || told.scans.some((scan) => scan.can === 'cancel')) look();
    },
    remove() {
      viewer.close();
      viewer.remove();
    },
  };
}

// The list of nodules beside the viewer, and the results as files.
function makeFindings(words, onChoose) {
  const list = element('ol', 'fl-findings');
  const title = element('h2', '');
  const files = element('p', 'fl-files');
  const notice = element('p', 'fl-notice');
  const about = element('p', 'fl-note');
  const warnings = element('ul', 'fl-warnings');
  const root = element('section', 'fl-card fl-found', title, list, warnings, element('h2', '', words.results), files, about, notice);

  function line(nodule) {
    const text = words.nodule_text.replace('{diameter}', nodule.diameter_mm.toFixed(1)).replace('{percent}', Math.round(100 * nodule.probability));
    const place = words.nodule_place.replace('{number}', Math.round(nodule.center_zyx_vox[0]) + 1);
    const button = element('button', 'fl-finding', element('b', '', words.nodule.replace('{rank}', nodule.rank)), element('span', '', text), element('span', 'fl-note', place));
    button.type = 'button';
    button.dataset.rank = nodule.rank;
    button.onclick = () => {
      for (const other of list.querySelectorAll('button')) other.setAttribute('aria-pressed', String(other === button));
      onChoose(nodule);
    };
    button.setAttribute('aria-pressed', 'false');
    return element('li', '', button);
  }

  return {
    root,
    show(view) {
      title.textContent = view.nodules.length ? words.nodules.replace('{number}', view.nodules.length) : words.no_nodules;
      list.replaceChildren(...view.nodules.map(line));
      files.replaceChildren(...view.files.map((name) => Object.assign(element('a', 'fl-link', name), { href: `/api/scans/${view.id}/files/${name}` })));
      warnings.replaceChildren(...view.warnings.map((text) => element('li', 'fl-warn', text)));
      notice.textContent = view.notice;
      about.textContent = view.origin;
    },
  };
}

// The list of one's scans; its lines stay in place, so that a button keeps the focus.
function makeScanList(words, locale, on) {
  const lines = element('ul', 'fl-list');
  const none = element('p', 'fl-note', words.none);
  const root = element('section', 'fl-card fl-own', element('h2', '', words.own), none, lines);
  const known = new Map();

  function makeLine(id) {
    const parts = { title: element('b', ''), state: element('span', 'fl-item'), bar: element('progress', 'fl-bar'), text: element('span', 'fl-note') };
    parts.open = actionButton(words.show, () => on.show(parts.scan));
    parts.end = actionButton('', () => {
      if (parts.scan.can === 'delete' && !parts.isAsked) return ask(parts);
      parts.end.disabled = true;
      return on.giveUp(parts.scan);
    });
    parts.root = element('li', 'fl-scan', element('div', 'fl-scan-text', parts.title, parts.state, parts.text, parts.bar), element('div', 'fl-scan-deeds', parts.open, parts.end));
    parts.root.dataset.scan = id;
    return parts;
  }

  function ask(parts) {
    parts.isAsked = true;
    parts.end.textContent = words.sure;
    setTimeout(() => {
      parts.isAsked = false;
      parts.end.textContent = words.delete;
    }, 4000);
  }

  function showLine(parts, scan, isShown) {
    parts.scan = scan;
    parts.root.dataset.state = scan.state;
    parts.title.textContent = scan.label;
    parts.state.replaceChildren(element('span', `fl-dot fl-${scan.tone}`), element('span', '', scan.title));
    const until = scan.until ? words.until.replace('{time}', clock(scan.until, locale)) : '';
    const rest = scan.state === 'uploading' && !on.isSending(scan.id) ? words.go_on : '';
    parts.text.textContent = [scan.text, until, rest].filter(Boolean).join(' · ');
    parts.bar.hidden = scan.share === null;
    if (scan.share !== null) parts.bar.value = scan.share;
    parts.bar.setAttribute('aria-label', `${scan.label}: ${scan.title}`);
    parts.open.hidden = scan.state !== 'done';
    parts.open.setAttribute('aria-pressed', String(isShown));
    parts.open.setAttribute('aria-label', `${words.show}: ${scan.label}`);
    parts.end.hidden = !scan.can;
    parts.end.disabled = false;
    if (scan.can && !parts.isAsked) parts.end.textContent = words[scan.can];
  }

  return {
    root,
    show(scans, shownId) {
      none.hidden = scans.length > 0;
      for (const [id, parts] of known) {
        if (!scans.some((scan) => scan.id === id) && known.delete(id)) parts.root.remove();
      }
      scans.forEach((scan, no) => {
        const parts = known.get(scan.id) ?? makeLine(scan.id);
        known.set(scan.id, parts);
        if (lines.children[no] !== parts.root) lines.insertBefore(parts.root, lines.children[no] ?? null);
        showLine(parts, scan, scan.id === shownId);
      });
    },
  };
}

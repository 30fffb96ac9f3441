// Sends a scan in parts, each after the one before, and goes on where it was after a lost connection. It goes on,
// too, while somebody looks at another page: what is being sent is the window's, not the page's.

const RETRY_MS = 2000;
const OWN_HEADER = { 'x-fedluna': '1' };

function askScans(method, path = '', options = {}) {
  return fetch(`/api/scans${path}`, { method, cache: 'no-store', ...options, headers: { ...OWN_HEADER, ...options.headers } });
}

// A card with a choice of files and of the model; ``onChange`` is called when the list of scans is no longer right.
function makeSender(words, onChange) {
  const model = element('select', 'fl-select');
  const files = fileInput({ multiple: true });
  const folder = fileInput({ webkitdirectory: true, multiple: true });
  const chooseFiles = actionButton(words.choose_files, () => files.click());
  const chooseFolder = actionButton(words.choose_folder, () => folder.click());
  const said = element('p', '');
  const note = element('p', 'fl-note');
  const label = element('label', 'fl-field', element('span', 'fl-label', words.model), model);
  const root = element('section', 'fl-card fl-sender', element('h2', '', words.send),
    element('div', 'fl-choice', label, chooseFiles, chooseFolder),
    element('p', 'fl-note', `${words.kinds} ${words.drop}`), note, said);
  said.setAttribute('role', 'status');

  function fileInput(options) {
    const input = Object.assign(element('input'), { type: 'file', hidden: true, ...options });
    input.onchange = () => {
      send([...input.files]);
      input.value = '';
    };
    return input;
  }

  root.append(files, folder);
  root.ondragover = (event) => event.preventDefault();
  root.ondrop = (event) => {
    event.preventDefault();
    send([...event.dataTransfer.files]);
  };

  async function send(chosen) {
    if (window.fedlunaSending || !chosen.length) return;
    const nameOf = (file) => file.webkitRelativePath || file.name;
    const ordered = chosen.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).filter((file) => !/(^|\/)(\.|DICOMDIR$)/.test(nameOf(file)));
    const sending = (window.fedlunaSending = { id: '', isOver: false });
    allow();
    show('');
    try {
      await sendParts(sending, ordered, nameOf);
    } catch (error) {
      if (!sending.isOver) show(error.message, 'fl-bad');
    }
    window.fedlunaSending = null;
    allow();
    onChange();
  }

  async function sendParts(sending, ordered, nameOf) {
    const list = ordered.map((file) => ({ name: nameOf(file), num_bytes: file.size, modified_ms: file.lastModified }));
    const begun = await ask('POST', '', { body: JSON.stringify({ files: list, model: model.value }) });
    const { id, received, part_bytes: partBytes } = await begun.json();
    const stream = new Blob(ordered);
    sending.id = id;
    onChange();
    for (let offset = received; offset < stream.size && !sending.isOver;) {
      const part = await stream.slice(offset, offset + partBytes).arrayBuffer().catch(() => { throw new Error(words.unreadable); });
      const reply = await ask('PUT', `/${id}?offset=${offset}`, { body: part });
      show('');
      offset = Number(reply.headers.get('x-received'));
      if (reply.status === 409) await new Promise((go) => setTimeout(go, RETRY_MS / 4));
    }
  }

  // Asks until there is an answer; a refusal is an error with its sentence.
  async function ask(method, path, options) {
    for (;;) {
      const reply = await askScans(method, path, options).catch(() => null);
      if (reply?.status === 401) location.reload();
      else if (reply?.ok || (reply?.status === 409 && method === 'PUT')) return reply;
      else if (reply && reply.status !== 503) throw new Error((await reply.text()) || words.unsent.replace('{status}', reply.status));
      show(words.offline, 'fl-warn');
      await new Promise((go) => setTimeout(go, RETRY_MS));
    }
  }

  function show(text, tone = '') {
    said.textContent = text;
    said.className = tone;
  }

  function allow() {
    chooseFiles.disabled = chooseFolder.disabled = Boolean(window.fedlunaSending) || !model.options.length;
  }

  return {
    root,
    isSending: (id) => window.fedlunaSending?.id === id,
    stop(id) {
      if (window.fedlunaSending?.id === id) window.fedlunaSending.isOver = true;
    },
    show(told) {
      const chosen = model.value;
      const names = told.models.map((offered) => offered.name);
      if (names.join() !== [...model.options].map((option) => option.value).join()) {
        model.replaceChildren(...told.models.map((offered) => Object.assign(element('option', '', offered.text), { value: offered.name })));
        if (names.includes(chosen)) model.value = chosen;
      }
      note.textContent = told.missing || told.note;
      note.className = told.missing ? 'fl-warn' : 'fl-note';
      label.hidden = !names.length;
      allow();
    },
  };
}

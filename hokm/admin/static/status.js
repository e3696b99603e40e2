// Shows /api/status, asked for every two seconds while the page is looked at.

const EVERY_MS = 2000;
const at = (id) => document.getElementById(id);
let token = sessionStorage.getItem('token');

function element(tag, text, className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function duration(seconds) {
  const days = Math.floor(seconds / 86400);
  const clock = new Date(seconds * 1000).toISOString().slice(11, 19);
  return days ? `${days} d ${clock}` : clock;
}

const percent = (part) => `${Math.round(part * 100)} %`;
const mebibytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;

function show(status, health) {
  at('instance').textContent = `${status.instance} · ${status.version}`;
  at('health').textContent = health.reasons ? health.reasons.join('; ') : 'Healthy';
  at('health').className = health.reasons ? 'bad' : 'good';
  const figures = {
    Tables: status.rooms,
    Connections: status.connections,
    Workers: `${status.workers.filter((w) => w.state === 'ready').length} of ${status.scaling.target}`,
    Store: `${status.store.up ? 'up' : 'away'} (${status.store.kind})`,
    'Up for': duration(status.uptime_s),
  };
  at('figures').replaceChildren(...Object.entries(figures).map(([name, value]) => {
    const box = document.createElement('div');
    box.append(element('dt', name), element('dd', value));
    return box;
  }));
  at('workers').replaceChildren(...status.workers.map((worker) => {
    const row = document.createElement('tr');
    row.append(
      element('td', worker.id), element('td', worker.pid ?? '–'),
      element('td', worker.state, worker.state), element('td', worker.rooms),
      element('td', worker.connections), element('td', percent(worker.cpu)),
      element('td', mebibytes(worker.memory)), element('td', `${worker.loop_lag_ms} ms`),
    );
    return row;
  }));
  document.querySelector('main').hidden = false;
}

async function look() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const answer = await fetch('/api/status', { headers });
    at('login').hidden = answer.status !== 401;
    if (answer.status === 401) {
      at('health').textContent = 'The operators’ token is needed.';
      return;
    }
    const health = await fetch('/health');
    show(await answer.json(), await health.json());
  } catch {
    at('health').textContent = 'The server does not answer.';
    at('health').className = 'bad';
  }
}

at('login').addEventListener('submit', (event) => {
  event.preventDefault();
  token = at('token').value;
  sessionStorage.setItem('token', token);
  look();
});
setInterval(() => { if (!document.hidden) look(); }, EVERY_MS);
look();

'use strict';
const form = document.querySelector('form'), bar = document.querySelector('progress'), out = document.querySelector('[role=status]');
const hex = bytes => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');
const utf8 = text => new TextEncoder().encode(text);
const join = (...parts) => {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
};
const base64 = text => {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) throw new Wrong('not Base64');
  return Uint8Array.from(atob(text), c => c.charCodeAt(0));
};
const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest('SHA-256', join(...parts)));
const leafHash = bytes => sha256([0], bytes), node = (left, right) => sha256([1], left, right);

class Wrong extends Error {
  constructor(what, place) { super(what); this.place = place; }
}

/* The perfect subtrees of a growing tree, largest first (RFC 6962). */
class Tree {
  constructor(size = 0, peaks = []) { this.size = size; this.peaks = peaks; }
  async push(hash) {
    for (let n = this.size; n % 2 === 1; n = (n - 1) / 2) hash = await node(this.peaks.pop(), hash);
    this.peaks.push(hash);
    this.size += 1;
  }
  async root() {
    if (!this.peaks.length) return sha256();
    let hash = this.peaks[this.peaks.length - 1];
    for (let at = this.peaks.length - 2; at >= 0; at -= 1) hash = await node(this.peaks[at], hash);
    return hash;
  }
}

/* Old and new root that a consistency proof leads to. */
const both = async (old, size, path, seed) => {
  if (old === size) {
    if (seed && path.length === 0) return [seed, seed];
    if (!seed && path.length === 1) return [path[0], path[0]];
    throw new Wrong('a proof of another length');
  }
  if (!path.length) throw new Wrong('a proof of another length');
  let k = 1;
  while (k * 2 < size) k *= 2;
  const rest = path.slice(0, -1), last = path[path.length - 1];
  if (old <= k) {
    const [a, b] = await both(old, k, rest, seed);
    return [a, await node(b, last)];
  }
  const [a, b] = await both(old - k, size - k, rest, null);
  return [await node(last, a), await node(last, b)];
};

const readKey = text => {
  const [name, id, ...rest] = text.split('+');
  const bytes = base64(rest.join('+'));
  if (!name || bytes.length !== 33 || bytes[0] !== 1) throw new Wrong('the key is not an Ed25519 key of a log');
  return { text, name, id, public: bytes.slice(1) };
};

const readNote = note => {
  const cut = note.indexOf('\n\n');
  const body = note.slice(0, cut + 1), lines = body.split('\n');
  if (cut < 0 || lines.length !== 4 || !/^(0|[1-9][0-9]*)$/.test(lines[1])) throw new Wrong('not a checkpoint');
  return { origin: lines[0], size: Number(lines[1]), root: base64(lines[2]), body, marks: note.slice(cut + 2) };
};

const openNote = async (note, key) => {
  const found = readNote(note);
  const id = (await sha256(utf8(key.name + '\n'), [1], key.public)).slice(0, 4);
  if (found.origin !== key.name || hex(id) !== key.id) throw new Wrong('the checkpoint is of another log, or the key is damaged');
  const ours = found.marks.split('\n').filter(line => line.startsWith('\u2014 ' + key.name + ' ')).map(line => base64(line.split(' ')[2]));
  const mine = ours.filter(mark => same(mark.slice(0, 4), id));
  if (mine.length !== 1) throw new Wrong('the checkpoint is not signed by the key');
  let imported;
  try {
    imported = await crypto.subtle.importKey('raw', key.public, 'Ed25519', false, ['verify']);
  } catch {
    throw new Wrong('this browser has no Ed25519: use a newer one, or the command line');
  }
  if (!await crypto.subtle.verify('Ed25519', imported, mine[0].slice(4), utf8(found.body))) throw new Wrong('the checkpoint is not signed by the key');
  return found;
};

const HEADER = ['checkpoint', 'format', 'from', 'frontier', 'origin', 'size', 'vkey'];
const FOOTER = ['consistency', 'head', 'header', 'leaves'];
const parse = (bytes, place) => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Wrong('not a line of an export', place);
  }
};
/* Each line has one spelling. */
const exactly = (value, names, bytes, place) => {
  const wanted = JSON.stringify(value);
  if (Object.keys(value).join() !== names.join() || !same(utf8(wanted), bytes)) throw new Wrong('not a line of an export', place);
};

async function check(bytes, savedNote, keyText, progress) {
  const lines = [];
  for (let at = 0; at < bytes.length;) {
    let end = bytes.indexOf(10, at);
    const ended = end >= 0;
    if (!ended) end = bytes.length;
    lines.push({ line: lines.length + 1, from: at, to: end, ended, bytes: bytes.subarray(at, end) });
    at = end + 1;
  }
  const top = lines[0];
  if (!top) throw new Wrong('the file is empty');
  const saved = savedNote ? readNote(savedNote) : null;
  const first = parse(top.bytes, top), bound = first.format !== undefined || first.checkpoint !== undefined;
  if (keyText && !bound && !saved) throw new Wrong('nothing here is signed by your key: the file has no checkpoint', top);
  let key = keyText ? readKey(keyText) : null, signed = null, tree = new Tree(), foot = null, footer = null, savedRoot = null;
  if (bound) {
    exactly(first, HEADER, top.bytes, top);
    try {
      if (first.format !== 'vouchsafe-audit-export/1') throw new Wrong('another format');
      if (key && key.text !== first.vkey) throw new Wrong('signed by another key than yours');
      key = readKey(first.vkey);
      signed = await openNote(first.checkpoint, key);
      if (signed.size !== first.size || signed.origin !== first.origin) throw new Wrong('the header is of another log or size');
      tree = new Tree(first.from, first.frontier.map(base64));
      let ones = 0;
      for (let n = first.from; n > 0; n = Math.floor(n / 2)) ones += n % 2;
      if (ones !== tree.peaks.length) throw new Wrong('the header does not fit its first leaf');
    } catch (error) {
      throw new Wrong(error.message, top);
    }
    foot = lines[lines.length - 1];
    if (lines.length < 2 || !foot.ended) throw new Wrong('the end is missing: the file was cut off', foot);
    footer = parse(foot.bytes, foot);
    if (footer.seq !== undefined) throw new Wrong('the end is missing: the file was cut off', foot);
    exactly(footer, FOOTER, foot.bytes, foot);
    if (footer.header !== hex(await sha256(top.bytes))) throw new Wrong('the first line or the last was changed', foot);
  }
  const leaves = bound ? lines.slice(1, -1) : lines;
  let prev = bound && tree.size > 0 ? null : '0'.repeat(64), last = null, since = '', until = '';
  if (saved && saved.size === tree.size) savedRoot = await tree.root();
  for (const [at, place] of leaves.entries()) {
    const leaf = parse(place.bytes, place);
    const where = { ...place, leaf: tree.size };
    if (leaf.seq !== tree.size) throw new Wrong(`leaf ${leaf.seq} stands at place ${tree.size}: one was removed, inserted or moved`, where);
    const hash = await leafHash(place.bytes);
    if (prev !== null && leaf.prev !== prev) {
      const next = leaves[at + 1] && parse(leaves[at + 1].bytes, leaves[at + 1]);
      const fits = next ? next.prev === hex(hash) : footer && footer.head === hex(hash);
      throw new Wrong(`leaf ${fits ? tree.size - 1 : tree.size} was changed`, fits && last ? last : where);
    }
    if (leaf.ts < until) throw new Wrong(`leaf ${tree.size} is earlier than the one before it`, where);
    since = since || leaf.ts;
    until = leaf.ts;
    prev = hex(hash);
    last = where;
    await tree.push(hash);
    if (saved && saved.size === tree.size) savedRoot = await tree.root();
    if (at % 500 === 0) await progress(at / leaves.length);
  }
  const root = await tree.root();
  if (bound) {
    if (tree.size !== signed.size) throw new Wrong(`the signed log has ${signed.size} leaves, this file goes to ${tree.size}`, foot);
    if (!same(root, signed.root)) {
      throw footer.head === prev ? new Wrong('the leaves link, and are not those that were signed: they were rewritten together', last || top)
        : new Wrong(`leaf ${tree.size - 1}, the last, was changed`, last || top);
    }
    if (leaves.length && footer.head !== prev || footer.leaves !== leaves.length) throw new Wrong('the last line was changed', foot);
    const older = footer.consistency;
    if (older) {
      const path = older.proof.map(base64), from = base64(older.root);
      const [a, b] = older.from === signed.size && !path.length ? [from, root] : await both(older.from, signed.size, path, from);
      if (!same(a, from) || !same(b, root)) throw new Wrong('the proof in the last line does not hold', foot);
      if (saved && !savedRoot && older.from === saved.size) savedRoot = from;
    }
  }
  if (saved) {
    if (key) await openNote(savedNote, key);
    if (saved.size > tree.size) throw new Wrong(`${saved.size} leaves were signed before, and the log ends at ${tree.size}: leaves were cut off`, last);
    if (!savedRoot && saved.size > 0) throw new Wrong('the export begins behind the saved checkpoint and holds no proof for it');
    if (saved.size > 0 && !same(savedRoot, saved.root)) throw new Wrong(`the first ${saved.size} leaves are not those of the saved checkpoint: the log shows another history`, last);
  }
  return { leaves: leaves.length, since, until, signed, root, saved, key, own: !keyText };
}

form.addEventListener('submit', async event => {
  event.preventDefault();
  out.textContent = '';
  delete out.dataset.verdict;
  bar.hidden = false;
  const data = new FormData(form);
  const say = (verdict, text) => { out.dataset.verdict = verdict; out.textContent = text; };
  try {
    const bytes = new Uint8Array(await data.get('file').arrayBuffer());
    let since = data.get('since').replace(/\r/g, '');
    if (since.trim() && !since.endsWith('\n')) since += '\n';
    const found = await check(bytes, since.trim() ? since : '', data.get('key').trim(), async done => {
      bar.value = done;
      await new Promise(resolve => setTimeout(resolve));
    });
    const bound = Boolean(found.signed || found.saved);
    const parts = [`${bound ? 'Whole' : 'Linked, not signed'}: ${found.leaves} leaves, ${found.since} to ${found.until}.`];
    if (found.signed) parts.push(`Signed by ${found.signed.origin} at size ${found.signed.size}.`);
    else parts.push('Bare lines: that they are the log, and the newest of it, only a checkpoint tells.');
    if (found.signed && found.own) parts.push('The key is the one that the file names itself: give yours to be sure.');
    if (found.saved) parts.push(`In agreement with the checkpoint of size ${found.saved.size} that you saved.`);
    say(bound ? 'whole' : 'linked', parts.join('\n'));
  } catch (error) {
    const at = error.place ? ` (line ${error.place.line}, bytes ${error.place.from} to ${error.place.to})` : '';
    say('broken', `Broken: ${error.message}${at}.`);
  } finally {
    bar.hidden = true;
  }
});

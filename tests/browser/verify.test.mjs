// The page that checks an export in the reader's browser: it accepts a whole one, names the place of any flipped byte, and
// asks nobody.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { axe, enter, launch, open, serve } from './harness.mjs';

const APP = process.env.VOUCHSAFE_VERIFY_APP ?? 'kontraktr';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

describe(`${APP}: check an audit export`, () => {
  let server, page, file, bytes;
  before(async () => {
    server = await serve(APP, '--no-watch');
    page = await open(browser);
    const [tenant] = server.tenants;
    const base = await enter(page, tenant, tenant.members[0].email);
    // By the page itself: names below `localhost` are the browser's to resolve.
    const answer = await page.evaluate(async (url) => {
      const got = await fetch(url);
      return { status: got.status, text: await got.text() };
    }, `${base}/api/v1/audit/export`);
    assert.equal(answer.status, 200, answer.text);
    bytes = Buffer.from(answer.text);
    file = path.join(server.home, 'export.jsonl');
    await writeFile(file, bytes);
    await page.goto(`${base}/audit/verify.html`);
  });
  after(async () => { await page.context().close(); await server.stop(); });

  /** What the page says of a file. */
  async function told(name, since = '') {
    await page.setInputFiles('input[name=file]', name);
    await page.fill('textarea[name=since]', since);
    await page.getByRole('button', { name: 'Check' }).click();
    const out = page.getByRole('status');
    await page.waitForFunction(() => document.querySelector('[role=status]').dataset.verdict);
    return { verdict: await out.getAttribute('data-verdict'), text: await out.innerText() };
  }
  async function changed(edit) {
    const copy = Buffer.from(bytes);
    const other = edit(copy) ?? copy;
    const name = path.join(server.home, 'changed.jsonl');
    await writeFile(name, other);
    return told(name);
  }

  test('no violation, no broken policy', async () => {
    assert.deepEqual([...await axe(page), ...page.complaints], []);
  });

  test('a whole export is accepted, without a word to any server', async () => {
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    const { verdict, text } = await told(file);
    assert.equal(verdict, 'whole', text);
    assert.match(text, /Whole: \d+ leaves/);
    assert.match(text, /Signed by \S+ at size \d+/);
    assert.deepEqual(asked, []);
  });

  test('a flipped byte is refused with its line and position', async () => {
    const lines = bytes.toString('latin1').split('\n');
    assert.ok(lines.length > 4, 'an export with some leaves');
    const target = Math.floor(lines.length / 2);
    const start = lines.slice(0, target).reduce((n, line) => n + line.length + 1, 0);
    const at = start + lines[target].indexOf('"target":"') + 10;
    const { verdict, text } = await changed((copy) => { copy[at] ^= 1; });
    assert.equal(verdict, 'broken', text);
    const [, line, from, to] = text.match(/line (\d+), bytes (\d+) to (\d+)/) ?? [];
    assert.equal(Number(line), target + 1, text);
    assert.ok(Number(from) <= at && at <= Number(to), `${at} is not in ${text}`);
  });

  test('any flipped byte anywhere is refused', async () => {
    const step = Math.max(1, Math.floor(bytes.length / 24));
    for (let at = 3; at < bytes.length - 1; at += step) {
      const { verdict, text } = await changed((copy) => { copy[at] ^= 2; });
      assert.equal(verdict, 'broken', `byte ${at}: ${text}`);
      assert.match(text, /line \d+, bytes \d+ to \d+|checkpoint|key|proof|export/i, `byte ${at}: ${text}`);
    }
  });

  test('a removed leaf, two swapped ones, a cut file', async () => {
    const lines = bytes.toString('utf8').trimEnd().split('\n');
    const whole = (some) => Buffer.from(`${some.join('\n')}\n`);
    const without = await changed(() => whole(lines.filter((_, n) => n !== 2)));
    assert.equal(without.verdict, 'broken');
    assert.match(without.text, /removed, inserted or moved/);
    const swapped = await changed(() => whole([lines[0], lines[2], lines[1], ...lines.slice(3)]));
    assert.equal(swapped.verdict, 'broken');
    const cut = await changed(() => whole(lines.slice(0, -2)));
    assert.equal(cut.verdict, 'broken');
  });

  test('bare lines are linked and no more, and a key demands a signature', async () => {
    const lines = bytes.toString('utf8').trimEnd().split('\n');
    const bare = () => changed(() => Buffer.from(`${lines.slice(1, -1).join('\n')}\n`));
    assert.equal((await bare()).verdict, 'linked');
    await page.fill('[name=key]', JSON.parse(lines[0]).vkey);
    const { verdict, text } = await bare();
    assert.equal(verdict, 'broken', text);
    assert.match(text, /nothing here is signed by your key/);
    assert.equal((await told(file)).verdict, 'whole');
    await page.fill('[name=key]', '');
  });

  test('with the network gone it works as before', async () => {
    await page.context().setOffline(true);
    const { verdict } = await told(file);
    assert.equal(verdict, 'whole');
    await page.context().setOffline(false);
    assert.deepEqual(page.complaints, []);
  });
});

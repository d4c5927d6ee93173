// The operators' pages: in by a link, through every page, out again; as accessible and as tidy as the console.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, open, serve, shoot, sound } from './harness.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
const BINARY = process.env.VOUCHSAFE_BINARY ?? path.join(ROOT, 'target/debug/vouchsafe');
const APP = path.join(ROOT, 'apps', 'kwestra');
const PAGES = ['/operator', '/operator/attestations', '/operator/attestations/KWE-5.1', '/operator/attestations/KWE-5.3', '/operator/access', '/operator/reports', '/operator/incidents', '/operator/violations'];

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

async function look(page, name) {
  await sound(page, name);
  await page.setViewportSize({ width: 360, height: 780 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize({ width: 1280, height: 900 });
  assert.ok(wide <= 361, `${name} is ${wide} pixels wide on a phone`);
  await shoot(page, name.replace(/[/ ]+/g, '-'));
}

describe('operators', () => {
  let server;
  const operator = (...words) => execFileSync(BINARY, ['operator', words[0], APP, '--data', path.join(server.home, 'data'), '--as', 'ann', ...words.slice(1)], { encoding: 'utf8', stdio: 'pipe' }).trim();
  before(async () => { server = await serve('kwestra', '--no-watch'); });
  after(() => server.stop());

  test('nobody gets in without a link', async () => {
    const page = await open(browser);
    await page.goto(`${server.url}/operator/reports`);
    assert.equal(new URL(page.url()).pathname, '/operator/enter');
    await look(page, 'operator door');
    await page.goto(`${server.url}/operator/enter?token=${'0'.repeat(64)}`);
    await page.getByRole('button', { name: 'Go in' }).click();
    await page.getByText('This link does not work, or works no more.').waitFor();
    await look(page, 'operator refused');
    const answer = await page.goto(`${new URL(server.tenants[0].url).origin}/operator`);
    assert.equal(answer.status(), 404);
    await page.context().close();
  });

  test('from a link to every page and out again', async () => {
    operator('add', 'ann', '--reason', 'On call for production', '--owner', 'Head of operations', '--days', '90');
    operator('add', 'ben.okafor', '--reason', 'Moves the archive to the new storage, ticket OPS-214', '--owner', 'Head of operations', '--days', '9');
    const page = await open(browser);
    const link = operator('link');
    await page.goto(link);
    await look(page, 'operator link');
    await page.getByRole('button', { name: 'Go in' }).click();
    await page.waitForURL(`${server.url}/operator`);
    for (const to of PAGES) {
      await page.goto(server.url + to);
      await look(page, `empty ${to}`);
    }

    // A report from outside, and an incident.
    const sent = await fetch(`${server.url}/trust/report`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ summary: 'A share link opens after its day', answers: { 'What you did': 'I kept the link of a shared quote and opened it a week later.' }, contact: 'noor@reporter.example', credit: 'Noor' }),
    });
    assert.equal(sent.status, 201);
    await page.goto(`${server.url}/operator/reports`);
    await look(page, 'operator reports');
    await page.getByRole('link', { name: 'A share link opens after its day' }).click();
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByText('Confirmed. Whoever reported it reads so').waitFor();
    await page.getByLabel('What they read').fill('We see it too. A fix is on its way.');
    await page.getByRole('button', { name: 'Tell them' }).click();
    await page.getByText('We see it too.').waitFor();
    await look(page, 'operator report');

    await page.goto(`${server.url}/operator/incidents`);
    await page.getByLabel('Title').fill('Share links worked after their day');
    await page.getByLabel('Known since').fill('2020-01-01T10:00');
    await page.getByRole('button', { name: 'Open it' }).click();
    await page.getByText('Not told within 72 hours').waitFor();
    await look(page, 'operator incidents');
    await page.getByRole('button', { name: 'Those affected were told' }).click();
    await page.getByText('Recorded that those affected were told.').waitFor();
    await page.getByLabel('Title').fill('A second one');
    await page.getByRole('button', { name: 'Open it' }).click();
    await page.getByText('Opened. The seventy-two hours run').waitFor();

    // A signature: first with what does not fit, and nothing that was typed is lost.
    await page.goto(`${server.url}/operator/attestations/KWE-5.1`);
    await page.getByLabel('What you state').fill('The list was gone through with the head of operations.');
    await page.getByLabel('Where the evidence lies').fill('http://plain.example/ticket');
    await page.getByRole('button', { name: 'Sign under my name' }).click();
    await page.getByText('an https:// address is expected').waitFor();
    assert.match(await page.getByLabel('What you state').inputValue(), /gone through/);
    await look(page, 'operator signature refused');
    await page.getByLabel('Where the evidence lies').fill('https://wiki.kwestra.example/operators');
    await page.getByRole('button', { name: 'Sign under my name' }).click();
    await page.getByText('Signed. The trust page shows it').waitFor();
    await look(page, 'operator signatures');
    await page.goto(`${server.url}/operator/attestations/KWE-5.1`);
    await look(page, 'operator signature');

    // The review: everybody needs a decision, and who is removed is out.
    await page.goto(`${server.url}/operator/access`);
    await page.getByLabel('Decision about ann').selectOption('keep');
    await page.getByLabel('Decision about ben.okafor').selectOption('remove');
    await look(page, 'operator review');
    await page.getByRole('button', { name: 'Sign the review under my name' }).click();
    await page.getByText('Gone through.').waitFor();
    assert.equal(await page.getByLabel('Decision about ben.okafor').count(), 0);
    await look(page, 'operator reviewed');
    assert.match(operator('list'), /^ann /);
    assert.doesNotMatch(operator('list'), /ben/);

    await page.goto(`${server.url}/operator`);
    await look(page, 'operator overview');
    await page.getByRole('button', { name: 'Sign out' }).first().click();
    await page.getByText('You are signed out').waitFor();
    await page.goto(`${server.url}/operator`);
    assert.equal(new URL(page.url()).pathname, '/operator/enter');
    // The link was used.
    await page.goto(link);
    await page.getByRole('button', { name: 'Go in' }).click();
    await page.getByText('This link does not work, or works no more.').waitFor();
    await page.context().close();
  });
});

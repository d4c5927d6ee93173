// A server of one app, a browser, and what every visit is watched for.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const ROOT = path.resolve(import.meta.dirname, '../..');
const BINARY = process.env.VOUCHSAFE_BINARY ?? path.join(ROOT, 'target/debug/vouchsafe');
const AXE = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
export const SHOTS = process.env.VOUCHSAFE_SHOTS;

/** A development server of one app on fresh data. */
export async function serve(app, ...more) {
  const home = await mkdtemp(path.join(os.tmpdir(), 'vouchsafe-browser-'));
  const ready = path.join(home, 'ready.json');
  const args = ['serve', path.join(ROOT, 'apps', app), '--data', path.join(home, 'data'), '--listen', '127.0.0.1:0', '--ready-file', ready, ...more];
  const child = spawn(BINARY, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (piece) => { said += piece; });
  for (let tries = 0; !existsSync(ready); tries += 1) {
    if (child.exitCode !== null || tries > 300) throw new Error(`${app} did not start: ${said}`);
    await new Promise((done) => setTimeout(done, 100));
  }
  const told = JSON.parse(await readFile(ready, 'utf8'));
  return {
    ...told,
    home,
    password: told.tenants[0]?.members[0]?.password,
    async stop() {
      child.kill('SIGTERM');
      await new Promise((done) => { child.once('exit', done); setTimeout(done, 5000); });
      await rm(home, { recursive: true, force: true });
    },
  };
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.VOUCHSAFE_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** A page whose broken policies, script errors, failed loads and layout shifts are kept in `page.complaints`. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(`script error: ${error.message}`));
  page.on('console', (line) => { if (line.type() === 'error' && !/status of 4\d\d/.test(line.text())) page.complaints.push(`console: ${line.text()}`); });
  page.on('request', (request) => { if (request.url().endsWith('/csp-report')) page.complaints.push(`policy report: ${request.postData()}`); });
  await context.addInitScript(() => {
    globalThis.shifts = 0;
    addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shifts += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  return page;
}

/** Violations of WCAG 2.2 A and AA and axe's best practices, in words. */
export async function axe(page) {
  const found = await page.evaluate(`${AXE}; axe.run({ resultTypes: ['violations'] })`);
  return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 120)).slice(0, 3).join(' | ')}`);
}

/** Layout shift so far, and milliseconds to the first paint. */
export function paint(page) {
  return page.evaluate(() => ({
    shifts: globalThis.shifts,
    first: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
  }));
}

/** Nothing against the page: axe finds nothing, no policy is broken, no script fails, nothing moves. */
export async function sound(page, name) {
  const found = [...await axe(page), ...page.complaints.splice(0)];
  assert.deepEqual(found, [], `${name}\n${found.join('\n')}`);
  const { shifts } = await paint(page);
  assert.ok(shifts < 0.01, `${name}: the layout shifted by ${shifts}`);
}

/** Signs in as a demo person by their button, on whichever page the app offers it, and waits for the console. */
export async function enter(page, tenant, email) {
  const { origin, pathname } = new URL(tenant.url);
  const base = pathname.replace(/\/$/, '');
  await page.goto(`${origin}/sign-in?next=${encodeURIComponent(`${base}/console`)}`);
  const outside = page.getByRole('link', { name: 'Go on to the identity service' });
  if (await outside.count()) await outside.click();
  await page.getByRole('button', { name: email }).first().click();
  await page.waitForURL(`${origin}${base}/console`);
  return `${origin}${base}`;
}

/** Mails of a development server to one address, the newest first. */
export async function mails(server, to) {
  const answer = await fetch(`${server.url}/dev/mail.json?to=${encodeURIComponent(to)}`);
  return (await answer.json()).items;
}

/** The newest mail to an address that is not among `known`, waited for. */
export async function mail(server, to, known = 0) {
  for (let tries = 0; tries < 100; tries += 1) {
    const all = await mails(server, to);
    if (all.length > known) return all[0];
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`no mail to ${to}`);
}

/** A screenshot at both widths and in both lights, when VOUCHSAFE_SHOTS names a folder. */
export async function shoot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  const size = page.viewportSize();
  for (const width of [1280, 360]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: path.join(SHOTS, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(size);
}

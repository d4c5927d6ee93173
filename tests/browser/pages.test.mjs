// Every page that can be reached, on all five apps: no violation of WCAG, no broken policy, no layout shift.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { enter, launch, open, serve, shoot, sound } from './harness.mjs';

const APPS = (process.env.VOUCHSAFE_APPS ?? 'kwestra nordkestrel kontraktr estokad connectwyze').split(' ');
const PUBLIC = ['/trust', '/trust/report', '/trust/thanks', '/trust/incidents', '/trust/inventory', '/sign-in', '/no-such-page'];
/** Pages of the console that are looked at, at most. */
const MOST = Number(process.env.VOUCHSAFE_PAGES ?? 30);
const SHOT = /^\/(console(\/(people|history|account|settings|roles)|\/collections\/[a-z_]+(\/new)?)?|trust|trust\/[a-z]+|sign-in)$/;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

async function look(page, name) {
  await sound(page, name);
  if (SHOT.test(name.replace(/^\w+ /, '').replace(/\/w\/[\w-]+/, ''))) await shoot(page, name.replace(/[/ ]+/g, '-'));
}

for (const app of APPS) {
  describe(app, () => {
    let server;
    before(async () => { server = await serve(app, '--no-watch'); });
    after(() => server.stop());

    test('public pages', async () => {
      const page = await open(browser);
      const origin = new URL(server.tenants[0].url).origin;
      for (const path of PUBLIC) {
        await page.goto(origin + path);
        await look(page, `${app} ${path}`);
      }
      for (const path of ['/sign-up', '/forgot', '/dev/mail']) {
        const answer = await page.goto(server.url + path);
        if (answer.ok()) await look(page, `${app} ${path}`);
      }
      await page.context().close();
    });

    test('narrow, in the dark', async () => {
      const page = await open(browser, { viewport: { width: 360, height: 780 }, colorScheme: 'dark' });
      const origin = new URL(server.tenants[0].url).origin;
      for (const path of ['/trust', '/sign-in']) {
        await page.goto(origin + path);
        await look(page, `${app}-narrow ${path}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= 360, `${path} is ${wide} pixels wide`);
      }
      await page.context().close();
    });

    test('the console, link by link', async () => {
      const page = await open(browser);
      const [tenant] = server.tenants;
      const base = await enter(page, tenant, tenant.members[0].email);
      const seen = new Set();
      const kinds = new Map();
      const waiting = [`${base}/console`];
      while (waiting.length > 0 && seen.size < MOST) {
        const url = waiting.shift();
        if (seen.has(url)) continue;
        seen.add(url);
        const answer = await page.goto(url);
        if (!(answer.headers()['content-type'] ?? '').startsWith('text/html')) continue;
        assert.equal(answer.status(), 200, url);
        await look(page, `${app} ${new URL(url).pathname}`);
        await page.setViewportSize({ width: 360, height: 780 });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        await page.setViewportSize({ width: 1280, height: 900 });
        assert.ok(wide <= 361, `${url} is ${wide} pixels wide on a phone`);
        const links = await page.$$eval('a[href]', (all) => all.map((a) => a.href));
        for (const link of links) {
          const to = new URL(link);
          to.hash = '';
          if (!to.href.startsWith(`${base}/console`) || /export|download|files/.test(to.pathname)) continue;
          // Two of each kind of page are enough: ids and questions are left out of the kind.
          const kind = to.pathname.replace(/[0-9a-f-]{36}/g, '*') + (to.search ? '?' : '');
          const count = kinds.get(kind) ?? 0;
          if (seen.has(to.href) || waiting.includes(to.href) || count >= (to.search ? 1 : 2)) continue;
          kinds.set(kind, count + 1);
          waiting.push(to.href);
        }
      }
      assert.ok(seen.size >= 6, `only ${seen.size} pages`);
      await page.context().close();
    });
  });
}

// What people come for, done as they do it: by forms and mails, once with script and once without.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { enter, launch, mail, mails, open, serve, shoot, sound } from './harness.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const submit = (page) => page.locator('main form button[type=submit], main form button:not([type])').first().click();
const link = (text) => text.match(/https?:\/\/\S+/)[0];

/** A page whose visit must end without a complaint. */
async function visit(options, walk) {
  const page = await open(browser, options);
  try {
    await walk(page);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

describe('nordkestrel', () => {
  let server;
  before(async () => { server = await serve('nordkestrel', '--no-watch'); });
  after(() => server.stop());

  for (const javaScriptEnabled of [true, false]) {
    test(`sign in, write, sign out, script ${javaScriptEnabled}`, () => visit({ javaScriptEnabled }, async (page) => {
      const [tenant] = server.tenants;
      const origin = new URL(tenant.url).origin;
      await page.goto(`${origin}/console`);
      assert.match(page.url(), /\/sign-in\?next=/);
      await page.fill('input[name=email]', tenant.members[0].email);
      await page.fill('input[name=password]', 'not the password');
      await submit(page);
      assert.equal(await page.inputValue('input[name=email]'), tenant.members[0].email);
      await page.fill('input[name=password]', server.password);
      await submit(page);
      await page.waitForURL(`${origin}/console`);
      await page.goto(`${origin}/console/collections/customers/new`);
      const name = `Astrid ${javaScriptEnabled}`;
      await page.fill('input[name=name]', `<b>${name}</b>`);
      await submit(page);
      await page.goto(`${origin}/console/collections/customers`);
      await page.getByText(`<b>${name}</b>`).first().waitFor();
      await page.goto(`${origin}/sign-out`);
      await submit(page);
      await page.goto(`${origin}/console`);
      assert.match(page.url(), /\/sign-in/);
    }));
  }

  test('a forgotten password', () => visit({}, async (page) => {
    const tenant = server.tenants[1];
    const origin = new URL(tenant.url).origin;
    const { email } = tenant.members[0];
    const known = (await mails(server, email)).length;
    await page.goto(`${origin}/forgot`);
    await page.fill('input[name=email]', email);
    await submit(page);
    await page.goto(link((await mail(server, email, known)).text));
    await page.fill('input[name=password]', 'heron-lantern-quarry-118');
    await submit(page);
    await page.goto(`${origin}/sign-in`);
    await page.fill('input[name=email]', email);
    await page.fill('input[name=password]', 'heron-lantern-quarry-118');
    await submit(page);
    await page.waitForURL(`${origin}/console`);
  }));

  test('a report of a weakness', () => visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}/trust/report`);
    await page.fill('input[name=summary]', 'a door that stays open');
    await submit(page);
    await page.getByText('Thank you. Your report is here.').waitFor();
    assert.match(page.url(), /\/trust\/report\/[0-9a-f]{64}/);
  }));

  test('the trust page says what each mark means', () => visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}/trust`);
    const marks = page.locator('details summary');
    assert.equal(await marks.count(), 44);
    await marks.first().click();
    await page.getByText('We test').first().waitFor();
  }));
});

describe('kontraktr', () => {
  let server;
  before(async () => { server = await serve('kontraktr', '--no-watch'); });
  after(() => server.stop());

  test('sign up, confirm, sign in', () => visit({}, async (page) => {
    await page.goto(`${server.url}/sign-up`);
    const values = { owner: 'Ida Lund', email: 'ida@lund.example', password: 'heron-lantern-quarry-118', name: 'Lund Joinery', slug: 'lund-joinery' };
    for (const field of await page.locator('main form input:not([type=hidden]):visible').all()) {
      const name = await field.getAttribute('name');
      if (values[name] !== undefined) await field.fill(values[name]);
    }
    await submit(page);
    await page.goto(link((await mail(server, 'ida@lund.example')).text));
    await submit(page);
    await page.getByRole('link', { name: /sign in|go on/i }).first().click();
    await page.fill('input[name=email]', values.email);
    await page.fill('input[name=password]', values.password);
    await submit(page);
    await page.waitForURL(/lund-joinery[^/]*\/console/);
  }));

  test('invite a colleague', () => visit({}, async (page) => {
    const [tenant] = server.tenants;
    const base = await enter(page, tenant, tenant.members[0].email);
    await page.goto(`${base}/console/people`);
    await page.locator('form[action$="/invite"] input[name=email]').fill('new@colleague.example');
    await page.locator('form[action$="/invite"] button').last().click();
    const invited = await mail(server, 'new@colleague.example');
    const other = await open(browser);
    await other.goto(link(invited.text));
    await other.fill('input[name=name]', 'Nia New');
    await other.fill('input[name=password]', 'heron-lantern-quarry-118');
    await submit(other);
    await other.context().close();
    await page.goto(`${base}/console/people`);
    await page.getByText('Nia New').first().waitFor();
  }));
});

describe('estokad', () => {
  let server;
  before(async () => { server = await serve('estokad', '--no-watch'); });
  after(() => server.stop());

  test('a link by mail opens the workspace', () => visit({}, async (page) => {
    const [tenant] = server.tenants;
    const { email } = tenant.members[0];
    const { origin, pathname } = new URL(tenant.url);
    await page.goto(`${origin}/sign-in?next=${encodeURIComponent(`${pathname.replace(/\/$/, '')}/console`)}`);
    await page.fill('input[name=email]', email);
    await submit(page);
    await page.goto(link((await mail(server, email)).text));
    await submit(page);
    await page.waitForURL(/\/console/);
  }));
});

describe('kwestra', () => {
  let server;
  before(async () => { server = await serve('kwestra', '--no-watch'); });
  after(() => server.stop());

  test('the identity service signs people in', () => visit({ javaScriptEnabled: false }, async (page) => {
    const [tenant] = server.tenants;
    const base = await enter(page, tenant, tenant.members[0].email);
    await page.goto(`${base}/console/roles`);
    assert.equal(await page.locator('input[type=password]').count(), 0);
  }));

  for (const javaScriptEnabled of [true, false]) {
    test(`a client reads an invoice by link and PIN, script ${javaScriptEnabled}`, () => visit({ javaScriptEnabled }, async (page) => {
      const [tenant] = server.tenants;
      const base = await enter(page, tenant, tenant.members[0].email);
      await page.goto(`${base}/console/collections/invoices`);
      await page.locator('main tbody a').first().click();
      await page.getByRole('link', { name: 'Share by link' }).waitFor();
      await shoot(page, 'share-record');
      await page.getByRole('link', { name: 'Share by link' }).click();
      await page.getByRole('button', { name: 'Make the link' }).waitFor();
      if (javaScriptEnabled) await sound(page, 'what a link will show');
      await shoot(page, 'share-ask');
      await page.getByRole('button', { name: 'Make the link' }).click();
      await page.getByText('The link is made.').waitFor();
      if (javaScriptEnabled) await sound(page, 'a link, shown once');
      await shoot(page, 'share-made');
      const [url, pin] = await page.locator('main dd code').allTextContents();
      const client = await open(browser, { javaScriptEnabled });
      try {
        await client.goto(url);
        await client.fill('input[name=pin]', pin === '000000' ? '000001' : '000000');
        await submit(client);
        await client.getByText('The PIN is wrong.').first().waitFor();
        await client.fill('input[name=pin]', pin);
        await submit(client);
        await client.getByRole('heading', { name: /^An invoice/ }).waitFor();
        await shoot(client, 'share-opened');
        assert.deepEqual(client.complaints, []);
      } finally {
        await client.context().close();
      }
      await page.getByRole('link', { name: 'Back' }).click();
      await page.locator('.trail').getByText('Opened by link').first().waitFor();
      await page.locator('.trail').getByText('Link made').first().waitFor();
    }));
  }
});

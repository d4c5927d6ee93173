// Milliseconds to the first contentful paint and the layout shift of the pages that strangers open first, on every app:
//   VOUCHSAFE_BINARY=target/release/vouchsafe node bench/paint.mjs      (after `npm ci --prefix tests/browser`)
// Each visit has a browser profile of its own, so nothing is cached. No test and no gate.
import { launch, open, paint, serve } from '../tests/browser/harness.mjs';

const VISITS = 7;
const browser = await launch();
console.log('                              first paint, ms          layout shift');
console.log('  app           page          median     worst         worst');
for (const app of ['kwestra', 'nordkestrel', 'kontraktr', 'estokad', 'connectwyze']) {
  const server = await serve(app, '--no-watch');
  const origin = new URL(server.tenants[0].url).origin;
  for (const path of ['/trust', '/sign-in']) {
    const seen = [];
    for (let visit = 0; visit < VISITS; visit += 1) {
      const page = await open(browser);
      await page.goto(origin + path);
      await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
      seen.push(await paint(page));
      await page.context().close();
    }
    const first = seen.map((s) => s.first).sort((a, b) => a - b);
    const shift = Math.max(...seen.map((s) => s.shifts));
    const cell = (n, digits) => n.toFixed(digits).padStart(9);
    console.log(`  ${app.padEnd(13)} ${path.padEnd(11)} ${cell(first[VISITS >> 1], 0)} ${cell(first.at(-1), 0)} ${cell(shift, 3)}`);
  }
  await server.stop();
}
await browser.close();

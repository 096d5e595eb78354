// Every page of the application, in all its states: no axe finding of WCAG 2.2 AA in either theme, no wider than a tablet.
// Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack.
import { accessible } from "./browser.mjs";
import { everyPage } from "./shared/pages.mjs";

await everyPage({ rows: 2000, watch: accessible });

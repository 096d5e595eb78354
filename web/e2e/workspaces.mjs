// Working together: a shared workspace, its members and what their roles allow. Needs a running stack: BASE_URL.
import assert from "node:assert/strict";
import { launch, look, signUp, stepper, uploadText, visit } from "./browser.mjs";

const browser = await launch();
const [owner, guest] = [await visit(browser), await visit(browser)];
const step = stepper(owner.page, owner.complaints);
const members = owner.page.getByRole("region", { name: "Members" });
let email = "";

try {
  await step("two people", async () => {
    await signUp(owner.page, "Tara");
    email = await signUp(guest.page, "Uma");
  });

  await step("one makes a workspace, in which she is alone at first", async () => {
    const { page } = owner;
    await page.getByRole("link", { name: "Workspace", exact: true }).click();
    await page.getByText("A personal workspace is not shared.").waitFor();
    await look(page, "workspace-personal");
    await page.getByLabel("Name of the workspace").fill("Analysts");
    await page.getByRole("button", { name: "Make workspace" }).click();
    await page.getByRole("heading", { name: "Analysts" }).waitFor();
    await members.getByText("made it").waitFor();
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    await uploadText(page, "shared.csv", "city,people\nPune,7\n");
  });

  await step("she invites the other as a viewer; somebody without an account cannot come", async () => {
    const { page } = owner;
    await page.getByRole("link", { name: "Members", exact: true }).click();
    await page.getByLabel("E-mail of somebody with an account").fill("nobody@example.org");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText("Nobody has an account with this e-mail address.").waitFor();
    await page.getByLabel("E-mail of somebody with an account").fill(email);
    await page.getByLabel("Role", { exact: true }).selectOption("viewer: looks");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await members.getByRole("cell", { name: email }).waitFor();
    await look(page, "workspace");
  });

  await step("the other enters it, sees what is there, and may not add to it", async () => {
    const { page } = guest;
    await page.reload();
    await page.getByText("No data sets yet").waitFor();
    await page.getByLabel("Workspace", { exact: true }).selectOption("Analysts");
    await page.getByRole("link", { name: "shared.csv" }).waitFor();
    await page.reload();
    await page.getByRole("link", { name: "shared.csv" }).waitFor();
    await page
      .getByLabel("Choose files")
      .setInputFiles({ name: "mine.csv", mimeType: "", buffer: Buffer.from("a\n1\n") });
    await page.locator('[data-upload="mine.csv"][data-status="failed"]').waitFor();
    await page.getByRole("link", { name: "Members", exact: true }).click();
    await page.getByText("You are its viewer.").waitFor();
    assert.equal(await page.getByRole("button", { name: "Add", exact: true }).count(), 0);
  });

  await step("as an editor she may", async () => {
    const { page } = owner;
    await members.getByLabel("Role of Uma").selectOption("editor: uploads and runs");
    await guest.page.reload();
    await guest.page.getByText("You are its editor.").waitFor();
    await guest.page.getByRole("link", { name: "Data sets", exact: true }).click();
    await uploadText(guest.page, "hers.csv", "a\n1\n");
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    await page.getByRole("link", { name: "hers.csv" }).waitFor();
  });

  await step("removed, she is back in her own workspace and sees nothing of it", async () => {
    const { page } = owner;
    await page.getByRole("link", { name: "Members", exact: true }).click();
    await members.getByRole("button", { name: "Remove" }).click();
    await members.getByRole("button", { name: "Really remove?" }).click();
    await members.getByRole("cell", { name: email }).waitFor({ state: "detached" });
    await guest.page.reload();
    await guest.page.getByText("No data sets yet").waitFor();
    assert.equal(await guest.page.getByText("shared.csv").count(), 0);
  });

  await step("nothing complained at the owner's", async () => assert.deepEqual(owner.complaints, []));
} finally {
  await browser.close();
}

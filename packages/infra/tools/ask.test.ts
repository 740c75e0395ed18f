import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { type Ask, terminal } from "./ask.ts";

/** A terminal, and everything that it shows. */
function screen() {
	const [input, output] = [new PassThrough(), new PassThrough()];
	Object.assign(input, { isTTY: true, setRawMode: () => input });
	Object.assign(output, { isTTY: true, columns: 100, rows: 30 });
	const shown: string[] = [];
	output.on("data", (chunk: Buffer) => shown.push(chunk.toString()));
	const ask = terminal(input, output) as Ask;
	return { ask, type: (text: string) => input.write(text), shown: () => shown.join("") };
}

test("without a terminal there is nobody to ask", () => {
	expect(terminal(new PassThrough(), new PassThrough())).toBeUndefined();
});

test("a secret is not shown, and a text is", async () => {
	const { ask, type, shown } = screen();
	const secret = ask.secret("bot_token");
	type("hidden\r");
	expect(await secret).toBe("hidden");
	expect(shown()).toContain("bot_token");
	expect(shown()).not.toMatch(/hidden|hidde|hid/);
	const text = ask.text("Who");
	type("telegram.1\r");
	expect(await text).toBe("telegram.1");
	expect(shown()).toContain("telegram.1");
});

test("an answer that is wrong is asked for again, and a choice is made with the keys", async () => {
	const { ask, type, shown } = screen();
	const text = ask.text("Who", { check: (value) => (value === "b" ? undefined : "not b") });
	type("a\r");
	await expect.poll(shown).toContain("not b");
	type("\u007fb\r");
	expect(await text).toBe("b");
	const choices = ["x", "y"].map((value) => ({ value, label: value }));
	const one = ask.one("Region", choices, "y");
	type("\r");
	expect(await one).toBe("y");
	const several = ask.several("Channels", choices, ["x"]);
	type("\r");
	expect(await several).toEqual(["x"]);
	const confirm = ask.confirm("Deploy?", true);
	type("\r");
	expect(await confirm).toBe(true);
});

test("Ctrl-C ends the tool with a message", async () => {
	const { ask, type } = screen();
	const text = ask.text("Who");
	type("\u0003");
	await expect(text).rejects.toMatchObject({ code: "NOT_CONFIRMED", message: "stopped" });
});

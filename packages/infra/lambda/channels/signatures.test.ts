/**
 * Tests signatures against examples that the channels publish: the worked example of Slack's
 * "Verifying requests from Slack", and the decryption sample of Feishu's "Encrypt Key" page. Feishu
 * publishes no signature, so its official SDK is the reference.
 */
import { EventDispatcher, LoggerLevel } from "@larksuiteoapi/node-sdk";
import { describe, expect, test } from "vitest";
import { feishuBody, feishuEvent, SECRETS } from "../../../testkit/functions/channel-requests.ts";
import { Refusal } from "../shared/refusal.ts";
import type { Delivery } from "./delivery.ts";
import { feishu } from "./feishu.ts";
import { decryptEvent, signatureOf } from "./feishu-cipher.ts";
import { slack } from "./slack.ts";

function delivery(
	headers: Readonly<Record<string, string>>,
	body: string | Buffer,
	nowMs = Date.now(),
): Delivery {
	return { header: (name) => headers[name], body: Buffer.from(body), nowMs };
}

function codeOf(act: () => unknown): string | undefined {
	try {
		act();
		return undefined;
	} catch (error) {
		if (error instanceof Refusal) return error.code;
		throw error;
	}
}

describe("Slack's example", () => {
	const secret = { signing_secret: "8f742231b10e8888abcd99yyyzzz85a5", bot_token: "" };
	const timestamp = "1531420618";
	const signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
	const body =
		"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=" +
		"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
		"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
	const open = (sent: string, at = Number(timestamp) * 1_000) =>
		codeOf(() =>
			slack.open(
				delivery({ "x-slack-request-timestamp": timestamp, "x-slack-signature": sent }, body, at),
				secret,
			),
		);

	test("is authentic: as a slash command, it fails only because it is not JSON", () => {
		expect(open(signature)).toBe("REQUEST_INVALID");
	});

	test("is refused with one digit changed, without `v0=`, or in capitals", () => {
		for (const wrong of [
			signature.replace(/3$/, "4"),
			signature.slice(3),
			signature.toUpperCase(),
			"",
		])
			expect(open(wrong)).toBe("SIGNATURE_INVALID");
	});

	test("is refused today as too old", () => {
		expect(open(signature, Date.now())).toBe("TIMESTAMP_INVALID");
	});
});

describe("Feishu", () => {
	test("publishes a decryption sample, which is decrypted", () => {
		expect(
			decryptEvent("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", "test key")?.toString(),
		).toBe("hello world");
		expect(
			decryptEvent("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", "another key"),
		).toBeUndefined();
		expect(decryptEvent("", "test key")).toBeUndefined();
	});

	test("has an SDK that accepts and refuses the same signatures", async () => {
		const { encrypt_key: encryptKey, verification_token: verificationToken } = SECRETS.feishu;
		const silent = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };
		const dispatcher = new EventDispatcher({
			encryptKey,
			verificationToken,
			loggerLevel: LoggerLevel.fatal,
			logger: silent,
		});
		dispatcher.register({ "im.message.receive_v1": ({ message }) => message.content });
		const { headers, body } = feishuBody(feishuEvent({ text: "你好" }));
		const judge = async (text: string) =>
			await dispatcher.invoke(Object.assign(Object.create({ headers }), JSON.parse(text)));

		expect(await judge(body)).toBe('{"text":"你好"}');
		expect(feishu.open(delivery(headers, body), SECRETS.feishu).content).toMatchObject({
			message: { text: "你好" },
		});

		const changed = body.replace(/(.)"\}$/, (_, one) => `${one === "=" ? "A" : "="}"}`);
		expect(await judge(changed)).toBeUndefined();
		expect(codeOf(() => feishu.open(delivery(headers, changed), SECRETS.feishu))).toBe(
			"SIGNATURE_INVALID",
		);
	});

	test("signs the raw bytes, whatever their order and spacing", () => {
		const { encrypt_key: encryptKey } = SECRETS.feishu;
		const { encrypt } = JSON.parse(feishuBody(feishuEvent()).body);
		const body = `{ "x": "\\u4f60", "encrypt": "${encrypt}"\n}`;
		const timestamp = String(Math.floor(Date.now() / 1_000));
		const headers = {
			"x-lark-request-timestamp": timestamp,
			"x-lark-request-nonce": "n",
			"x-lark-signature": signatureOf(timestamp, "n", encryptKey, Buffer.from(body)),
		};
		expect(feishu.open(delivery(headers, body), SECRETS.feishu).content.kind).toBe("message");
	});

	test("sends posts, which are read as their lines", () => {
		const content = {
			title: "Plan",
			content: [
				[
					{ tag: "text", text: "a " },
					{ tag: "a", text: "link", href: "x" },
				],
				[{ tag: "img" }],
				[{ tag: "text", text: "b" }],
			],
		};
		const { headers, body } = feishuBody(
			feishuEvent({ change: { message_type: "post", content: JSON.stringify(content) } }),
		);
		expect(feishu.open(delivery(headers, body), SECRETS.feishu).content).toMatchObject({
			message: { text: "Plan\na link\nb" },
		});
	});
});

test("an empty secret verifies nothing", () => {
	const { headers, body } = feishuBody(feishuEvent(), { secret: "" });
	expect(
		codeOf(() => feishu.open(delivery(headers, body), { ...SECRETS.feishu, encrypt_key: "" })),
	).toBe("CHANNEL_MISCONFIGURED");
	const telegram = delivery({ "x-telegram-bot-api-secret-token": "" }, "{}");
	expect(codeOf(() => slack.open(telegram, {}))).toBe("CHANNEL_MISCONFIGURED");
});

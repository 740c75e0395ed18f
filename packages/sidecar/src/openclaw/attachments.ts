/**
 * Attachments in the forms that OpenClaw's two APIs understand (2026.9.6). It drops some parts of a
 * message silently, and refuses others without a reason: those are translated here, or refused with
 * one. Limits are its defaults, from its docs/gateway/openai-http-api.md and
 * docs/gateway/openresponses-http-api.md.
 */
import { extname } from "node:path";
import { type HttpRefusal, refuse } from "../agentcore/http-refusal.ts";
import type { Invocation } from "../agentcore/invocation.ts";
import { printable } from "../errors.ts";

/** In the last message of a chat completion; a response has no limit of its own. */
const MAX_IMAGES = 8;
const MAX_IMAGE_BYTES = 10 * 1024 * 1024;
const IMAGE_TYPES = ["jpeg", "png", "gif", "webp", "heic", "heif"].map((name) => `image/${name}`);
const MAX_FILE_BYTES = 5 * 1024 * 1024;
/** OpenClaw cuts a longer text of a response's file silently. */
const MAX_FILE_CHARS = 60_000;
const FILE_TYPES: Readonly<Record<string, string>> = {
	".txt": "text/plain",
	".md": "text/markdown",
	".html": "text/html",
	".csv": "text/csv",
	".json": "application/json",
	".pdf": "application/pdf",
};

type Part = Readonly<Record<string, unknown>>;

interface Data {
	readonly type: string;
	readonly base64: string;
}

/**
 * @param takesImages asked only if there are images
 * @throws HttpRefusal 400, 413
 */
export function translateAttachments(
	invocation: Invocation,
	takesImages: () => boolean,
): Invocation {
	const { kind, body } = invocation;
	const name = kind === "responses" ? "input" : "messages";
	const list = body[name];
	if (!Array.isArray(list)) return invocation;
	const translate = kind === "responses" ? responsePart : chatPart;
	const items = list.map((item, i) => {
		const message = kind === "responses" ? typed(item) : item;
		const { role, content } = (message ?? {}) as {
			readonly role?: unknown;
			readonly content?: unknown;
		};
		if (!Array.isArray(content) || role === "assistant") return message;
		const parts = content.map((part) => translate((part ?? {}) as Part));
		const images = parts.filter(({ type }) => type === "image_url" || type === "input_image");
		if (images.length > 0 && !takesImages())
			throw refused("an image", "the agent's model takes no images", TAKE_IMAGES);
		if (kind !== "responses" && i === list.length - 1 && images.length > MAX_IMAGES)
			throw refused(`${images.length} images`, `OpenClaw takes ${MAX_IMAGES} in one message`);
		return { ...message, content: parts };
	});
	return { ...invocation, body: { ...body, [name]: items } };
}

const TAKE_IMAGES =
	'use a model that takes them, and say so in openclaw.json: "input": ["text", "image"] in the model\'s entry of models.providers';

/** OpenAI's clients may leave the type of a message out. */
const typed = (item: unknown) => {
	const { type, role } = (item ?? {}) as Part;
	return type === undefined && typeof role === "string"
		? { type: "message", ...(item as object) }
		: item;
};

function chatPart(part: Part): Part {
	switch (part.type) {
		case "text":
		case "input_text":
			return part;
		case "image_url": {
			const { image_url: image } = part;
			imageData(typeof image === "string" ? image : (image as Part | null | undefined)?.url);
			return part;
		}
		case "file": {
			const file = (part.file ?? {}) as Part;
			return { type: "text", text: textOfFile(fileData(file), String(file.filename ?? "file")) };
		}
		default:
			throw unknownPart(part);
	}
}

function responsePart(part: Part): Part {
	if (part.source !== undefined) return part;
	switch (part.type) {
		case "input_text":
		case "output_text":
			return part;
		case "input_image": {
			const { type, base64 } = imageData(part.image_url);
			return { type: "input_image", source: { type: "base64", media_type: type, data: base64 } };
		}
		case "input_file": {
			const { type, base64 } = fileData(part);
			const { filename } = part;
			return {
				type: "input_file",
				source: {
					type: "base64",
					media_type: type,
					data: base64,
					...(typeof filename === "string" && { filename }),
				},
			};
		}
		default:
			throw unknownPart(part);
	}
}

function imageData(url: unknown): Data {
	if (typeof url !== "string") throw refused("an image", "it has no URL");
	const data = dataOf(url);
	if (data === undefined)
		throw refused(
			shown(url),
			"OpenClaw fetches no images",
			"send the image as a data: URI in base64",
		);
	if (!IMAGE_TYPES.includes(data.type))
		throw refused(data.type, `OpenClaw takes images of the types ${IMAGE_TYPES.join(", ")}`);
	checkSize(data, MAX_IMAGE_BYTES, "an image");
	return data;
}

/** @param file has `file_data`: a data: URI, or base64 whose type the name tells */
function fileData({ file_data: given, filename, file_url, file_id }: Part): Data {
	if (typeof given !== "string")
		throw refused(
			shown(String(file_url ?? file_id ?? filename ?? "a file")),
			"OpenClaw fetches no files",
			"send the file's content as file_data",
		);
	const named = FILE_TYPES[extname(String(filename ?? "")).toLowerCase()];
	const data = dataOf(given) ?? { type: named ?? "", base64: given };
	if (!Object.values(FILE_TYPES).includes(data.type))
		throw refused(
			shown(String(filename ?? data.type)),
			`OpenClaw takes files of the types ${Object.values(FILE_TYPES).join(", ")}`,
		);
	checkSize(data, MAX_FILE_BYTES, "a file");
	return data;
}

/** Chat completions have no files: a text becomes part of the message, and stays in the conversation. */
function textOfFile({ type, base64 }: Data, name: string): string {
	const asResponse = 'send it as {"input": [...]} with a part of type input_file';
	if (type === "application/pdf")
		throw refused(shown(name), "OpenClaw drops this file from messages", asResponse);
	let text: string;
	try {
		text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(base64, "base64"));
	} catch {
		throw refused(shown(name), "the file is not UTF-8");
	}
	if (text.length > MAX_FILE_CHARS)
		throw refused(shown(name), `the file exceeds ${MAX_FILE_CHARS} characters`);
	return `File ${JSON.stringify(name)}:\n${text}`;
}

/** A data: URI in base64. */
function dataOf(url: string): Data | undefined {
	const [, type = "", parameters = ""] =
		/^data:([\w.+-]+\/[\w.+-]+)((?:;[^,;]*)*),/i.exec(url) ?? [];
	if (!/;base64$/i.test(parameters)) return undefined;
	return { type: type.toLowerCase(), base64: url.slice(url.indexOf(",") + 1) };
}

function checkSize({ base64 }: Data, limitBytes: number, what: string): void {
	if (base64 === "") throw refused(what, "it is empty");
	if (Math.floor((base64.length * 3) / 4) > limitBytes + 2)
		throw refused(what, `it exceeds the ${limitBytes} bytes that OpenClaw takes`, undefined, 413);
}

const unknownPart = ({ type }: Part) =>
	refused(shown(String(type)), "OpenClaw drops parts of this type from messages");

/** Of a URL the origin alone: its path may be a credential, such as a bot's token. */
const shown = (text: string) => printable(URL.parse(text)?.origin ?? text, 80);

function refused(value: string, reason: string, remedy?: string, status = 400): HttpRefusal {
	return refuse(status, "REQUEST_INVALID", { value, reason, remedy });
}

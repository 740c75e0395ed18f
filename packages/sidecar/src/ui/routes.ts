/**
 * The requests that the page may make. Everything is a POST with the token, except the page's own
 * files and downloads with a ticket.
 *
 * Guarantees: without `--allow-restore` no route exists that writes to the store or the workspace.
 * No path and no content of a file is in a URL, and no content in a log line.
 */
import { Readable } from "node:stream";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as z from "zod/mini";
import { SidecarError, toSidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Answers } from "./answer.ts";
import type { Assets } from "./assets.ts";
import type { Tickets } from "./downloads.ts";
import { type Asking, hasToken, isCrossSite, SECURITY_HEADERS, whyForeign } from "./gate.ts";
import { bodyOf, Refusal, statusOf } from "./refusal.ts";

export interface RouteOptions {
	/** Of the server: name and port. */
	readonly host: () => string;
	readonly token: string;
	readonly assets: Assets;
	readonly answers: Answers;
	readonly tickets: Tickets;
	readonly logger: Logger;
}

/** A path of 4,096 bytes, each of which may be escaped, twice. */
const MAX_BODY_BYTES = 128 * 1024;

export function routes({ host, token, assets, answers, tickets, logger }: RouteOptions): Hono {
	const app = new Hono();
	const asking = (c: Context): Asking => ({ header: (name) => c.req.header(name), host: host() });

	app.use(async (c, next) => {
		await next();
		for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value);
	});
	app.use(async (c, next) => {
		const reason = whyForeign(asking(c));
		if (reason !== undefined) throw new Refusal(403, "REQUEST_INVALID", { reason, remedy: REOPEN });
		await next();
	});
	app.use("/api/*", async (c, next) => {
		if (isCrossSite(asking(c)))
			throw new Refusal(403, "REQUEST_INVALID", {
				reason: "a page of another site made it",
				remedy: REOPEN,
			});
		if (!hasToken(asking(c), token))
			throw new Refusal(401, "IDENTITY_REFUSED", {
				reason: "it has no valid token",
				remedy: REOPEN,
			});
		if (
			c.req.method !== "POST" ||
			!/^application\/json\b/i.test(c.req.header("content-type") ?? "")
		)
			throw new Refusal(415, "REQUEST_INVALID", { reason: "only POST with JSON is supported" });
		await next();
	});
	app.use(
		"/api/*",
		bodyLimit({
			maxSize: MAX_BODY_BYTES,
			onError: () => {
				throw new Refusal(413, "REQUEST_INVALID", {
					reason: `the body exceeds ${MAX_BODY_BYTES} bytes`,
				});
			},
		}),
	);
	for (const [name, { schema, answer }] of Object.entries(answers)) {
		app.post(`/api/${name}`, async (c) => {
			const parsed = schema.safeParse(await json(c));
			if (!parsed.success)
				throw new Refusal(400, "REQUEST_INVALID", {
					value: name,
					reason: z.prettifyError(parsed.error),
					remedy: "reload the page: it may be from another release",
				});
			const answered = answer(parsed.data as never, c.req.raw.signal);
			if (answered instanceof Promise) return c.json(await answered);
			c.header("content-type", "application/x-ndjson");
			return c.body(Readable.toWeb(Readable.from(lines(answered))) as ReadableStream);
		});
	}
	app.get("/download/:ticket", (c) => {
		if (isCrossSite(asking(c)))
			throw new Refusal(403, "REQUEST_INVALID", { reason: "a page of another site made it" });
		const body = tickets.redeem(c.req.param("ticket"));
		if (body === undefined)
			throw new Refusal(404, "REQUEST_INVALID", {
				reason: "this download was made already, or is too old",
				remedy: "start it again on the page",
			});
		c.header("content-type", "application/octet-stream");
		c.header("content-disposition", attachment(body.name));
		if (body.size !== undefined) c.header("content-length", String(body.size));
		const stream = body.open();
		stream.once("error", (error) => logger.error("ui.download-failed", named(error)));
		return c.body(Readable.toWeb(stream) as ReadableStream);
	});
	app.get("*", (c) => {
		const asset = assets.get(c.req.path === "/" ? "/index.html" : c.req.path);
		if (asset === undefined) return c.notFound();
		c.header("content-type", asset.mediaType);
		return c.body(asset.bytes as Uint8Array<ArrayBuffer>);
	});
	app.notFound((c) =>
		c.json(
			bodyOf(new SidecarError("REQUEST_INVALID", { reason: "no such page", remedy: REOPEN })),
			404,
		),
	);
	app.onError((error, c) => {
		const status = statusOf(error);
		// The route, never the request: it has paths.
		const { path } = c.req;
		const isDownload = path.startsWith("/download/");
		const route = path.startsWith("/api/") ? path : isDownload ? "download" : "page";
		const fields = { route, status };
		// The message of what makes an archive may name a path.
		if (status === 500)
			logger.error("ui.failed", { ...fields, ...(isDownload ? named(error) : { error }) });
		else logger.info("ui.refused", { ...fields, code: bodyOf(error).code });
		return c.json(bodyOf(error), status);
	});
	return app;
}

/** The status was sent before the first line, so a failure is the last one. */
async function* lines(items: AsyncGenerator<object>): AsyncGenerator<Buffer> {
	try {
		for await (const item of items) yield Buffer.from(`${JSON.stringify(item)}\n`);
	} catch (error) {
		yield Buffer.from(`${JSON.stringify({ error: bodyOf(error) })}\n`);
	}
}

const REOPEN = "open the address that `openclaw-sidecar ui` printed";

async function json(c: Context): Promise<unknown> {
	try {
		return await c.req.json();
	} catch (cause) {
		if (cause instanceof Refusal) throw cause;
		throw new Refusal(400, "REQUEST_INVALID", { reason: "the body is not JSON" });
	}
}

/** Only the code: the message may name a path. */
const named = (error: unknown) => ({ code: toSidecarError(error).code });

/** RFC 6266: the plain name for old clients, the exact one for the others. */
function attachment(name: string): string {
	const plain = name.replace(/[^\w .()-]/g, "_");
	const exact = encodeURIComponent(name.toWellFormed()).replace(
		/['()*]/g,
		(character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
	);
	return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}

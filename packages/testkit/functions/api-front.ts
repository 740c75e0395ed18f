/**
 * Simulates API Gateway's REST API: turns a request into a proxy event, calls the handler, and
 * sends the response.
 */
import { isUtf8 } from "node:buffer";
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";
import { LocalServer } from "./local-server.ts";

/** @param handlerFor by path, without the query */
export async function startApiFront(
	handlerFor: (path: string) => (event: APIGatewayProxyEvent) => Promise<APIGatewayProxyResult>,
): Promise<LocalServer> {
	return await LocalServer.start(async ({ method, path, headers, body }) => {
		const [route = "/"] = path.split("?");
		const given = Object.entries(headers).map(
			([name, value]) => [name, Array.isArray(value) ? value : [value ?? ""]] as const,
		);
		const event = {
			httpMethod: method,
			path: route,
			headers: Object.fromEntries(given.map(([name, values]) => [name, values.at(-1)])),
			multiValueHeaders: Object.fromEntries(given),
			queryStringParameters: null,
			// The gateway encodes content that it treats as binary in base64.
			body: body.length === 0 ? null : body.toString(isUtf8(body) ? "utf8" : "base64"),
			isBase64Encoded: !isUtf8(body),
		} as unknown as APIGatewayProxyEvent;
		const result = await handlerFor(route)(event);
		return {
			status: result.statusCode,
			headers: result.headers as Record<string, string>,
			body: result.body,
		};
	});
}

/** Plays API Gateway's REST API: turns a request into a proxy event, calls the handler, and sends what it returns. */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";
import { LocalServer } from "./local-server.ts";

/** @param handlerFor by path, without the query */
export async function startApiFront(
	handlerFor: (path: string) => (event: APIGatewayProxyEvent) => Promise<APIGatewayProxyResult>,
): Promise<LocalServer> {
	return await LocalServer.start(async ({ method, path, headers, body }) => {
		const [route = "/"] = path.split("?");
		const given = Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value : [value ?? ""]] as const);
		const event = {
			httpMethod: method,
			path: route,
			headers: Object.fromEntries(given.map(([name, values]) => [name, values.at(-1)])),
			multiValueHeaders: Object.fromEntries(given),
			queryStringParameters: null,
			// As the gateway does for types that are binary; what is not UTF-8 would be lost otherwise.
			body: body.length === 0 ? null : body.toString("base64"),
			isBase64Encoded: body.length > 0,
		} as unknown as APIGatewayProxyEvent;
		const result = await handlerFor(route)(event);
		return { status: result.statusCode, headers: result.headers as Record<string, string>, body: result.body };
	});
}

/** Ends a user's machine. Its id follows from the user's name (`lambda/worker/session-id.ts`). */
import {
	type BedrockAgentCoreClient,
	StopRuntimeSessionCommand,
} from "@aws-sdk/client-bedrock-agentcore";
import { sessionIdOf } from "../lambda/worker/session-id.ts";

export type Ended =
	/** The platform ended a machine, or a session of which it still knew. */
	| "ended"
	/** The platform knows no such session. It may be wrong: see docs/decisions/0065. */
	| "none";

export async function endMachine(
	client: BedrockAgentCoreClient,
	runtimeArn: string,
	user: string,
): Promise<Ended> {
	try {
		await client.send(
			new StopRuntimeSessionCommand({
				agentRuntimeArn: runtimeArn,
				qualifier: "live",
				runtimeSessionId: sessionIdOf(user),
			}),
		);
		return "ended";
	} catch (error) {
		if ((error as Error).name === "ResourceNotFoundException") return "none";
		throw error;
	}
}

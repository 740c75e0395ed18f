/** What is used of the SDK's credential providers: a file of its own in the build, loaded when it is needed. */
export {
	fromNodeProviderChain,
	fromTemporaryCredentials,
	fromWebToken,
} from "@aws-sdk/credential-providers";

/** What only `S3Sink` takes from the SDK: one file of the bundle, as both share most of the SDK. */
export { S3Client } from "@aws-sdk/client-s3";
export { Upload } from "@aws-sdk/lib-storage";

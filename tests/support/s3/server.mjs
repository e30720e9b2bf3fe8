// An S3 server that checks signatures, with one bucket: server.mjs PACKAGES DIRECTORY BUCKET PORT
import { pathToFileURL } from 'node:url';

const [packages, directory, bucket, port] = process.argv.slice(2);
const module = `${packages}/node_modules/@20minutes/s3rver/lib/s3rver.js`;
const { default: S3rver } = await import(pathToFileURL(module));
const server = new S3rver({
  address: '127.0.0.1',
  port: Number(port),
  directory,
  configureBuckets: [{ name: bucket }],
  vhostBuckets: false,
  silent: true,
});
await server.run();
console.log('the S3 server listens');

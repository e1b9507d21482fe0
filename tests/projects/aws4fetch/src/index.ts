import { AwsClient } from 'aws4fetch';

type Env = { UPSTREAM: string };

export default {
    async fetch(request: Request, env: Env): Promise<Response> {
        const aws = new AwsClient({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', region: 'us-east-1', service: 's3' });
        if (new URL(request.url).pathname === '/sign') {
            const signed = await aws.sign(`${env.UPSTREAM}/bucket/key`);
            return new Response(signed.headers.get('authorization'));
        }
        return aws.fetch(`${env.UPSTREAM}/bucket/key`, { method: 'PUT', body: await request.text() });
    },
};

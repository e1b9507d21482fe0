import Stripe from 'stripe';

type Env = { UPSTREAM_HOST: string; UPSTREAM_PORT: string; STRIPE_SECRET_KEY: string; WEBHOOK_SECRET: string };

export default {
    async fetch(request: Request, env: Env): Promise<Response> {
        const stripe = new Stripe(env.STRIPE_SECRET_KEY, {
            host: env.UPSTREAM_HOST, port: env.UPSTREAM_PORT, protocol: 'http', maxNetworkRetries: 0, httpClient: Stripe.createFetchHttpClient(),
        });
        if (new URL(request.url).pathname === '/webhook') {
            const event = await stripe.webhooks.constructEventAsync(
                await request.text(), request.headers.get('stripe-signature') ?? '', env.WEBHOOK_SECRET, undefined, Stripe.createSubtleCryptoProvider(),
            );
            return Response.json({ type: event.type });
        }
        const customer = await stripe.customers.create({ email: 'ada@example.com' });
        return Response.json({ id: customer.id });
    },
};

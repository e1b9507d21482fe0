import { z } from 'zod';

const Order = z.object({
    id: z.uuid(),
    email: z.email().transform((text) => text.toLowerCase()),
    items: z.array(z.object({ sku: z.string().min(1), count: z.coerce.number().int().positive() })).nonempty(),
    note: z.string().optional(),
});

export default {
    async fetch(request: Request): Promise<Response> {
        const order = Order.safeParse(await request.json());
        if (!order.success) return Response.json(z.flattenError(order.error).fieldErrors, { status: 422 });
        return Response.json(order.data);
    },
};

import bcrypt from 'bcryptjs';

export default {
    async fetch(request: Request): Promise<Response> {
        const password = await request.text();
        const hash = await bcrypt.hash(password, 4);
        return Response.json({
            form: /^\$2b\$04\$.{53}$/.test(hash),
            right: await bcrypt.compare(password, hash),
            wrong: await bcrypt.compare(`${password}!`, hash),
            known: bcrypt.compareSync('U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
        });
    },
};

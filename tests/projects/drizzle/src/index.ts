import { and, eq, like, sql } from 'drizzle-orm';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { drizzle } from 'drizzle-orm/sqlite-proxy';

const users = sqliteTable('users', {
    id: integer('id').primaryKey({ autoIncrement: true }),
    name: text('name').notNull(),
    born: integer('born', { mode: 'timestamp' }),
});

const rows = [[1, 'ada', -4861209600], [2, 'alan', -1813536000]];
const asked: unknown[] = [];

// The database is elsewhere; here it is a list that answers each query with what it has.
const db = drizzle(async (query, params) => {
    asked.push([query, params]);
    return { rows };
});

export default {
    async fetch(): Promise<Response> {
        asked.length = 0;
        const found = await db.select().from(users).where(and(like(users.name, 'a%'), eq(users.id, sql`1 + ${0}`))).orderBy(users.name).limit(2);
        return Response.json({ asked, found });
    },
};

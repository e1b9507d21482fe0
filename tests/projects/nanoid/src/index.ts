import { customAlphabet, nanoid } from 'nanoid';

const digits = customAlphabet('0123456789', 8);

export default {
    fetch: () => Response.json({ id: nanoid(), short: nanoid(5), digits: digits() }),
};
